"""Imports sqlite-utils for the command line without what it would import for the sake of a few column types."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from threading import get_ident
from types import ModuleType

from codemonkeys import wording

LEFT_OUT = ("pandas", "numpy")
"""sqlite-utils imports them where they are installed, to name columns for their types; they take a second."""


class _LeaveOut:
    """Finder of modules by which, in one thread, some are not installed."""

    def __init__(self) -> None:
        self._thread = get_ident()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Raise ModuleNotFoundError for what is left out, and leave all else to other finders."""
        if name in LEFT_OUT and get_ident() == self._thread:
            raise ModuleNotFoundError(f"{name} is left out", name=name)
        return None


def load_sqlite_utils() -> None:
    """Import sqlite-utils. In a host program it is imported as ever: the program may use it for its own tables."""
    finder = _LeaveOut()
    if wording.COMMAND_LINE:
        sys.meta_path.insert(0, finder)
    try:
        import sqlite_utils  # noqa: F401
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)

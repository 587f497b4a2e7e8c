"""Environment variables that are set for a moment only."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_changing = threading.RLock()
"""Two threads that set and restore the same variable in turn would leave it changed for good."""


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set variables within the block; afterwards they are as before, also if the block changed them."""
    with _changing:
        before = {name: os.environ.get(name) for name in variables}
        os.environ.update(variables)
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

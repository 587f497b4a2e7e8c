"""Open registries: what is found by a name, by an entry point of an installed package, or as `module:attribute`."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from functools import lru_cache
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from codemonkeys.errors import BadSettings

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

T = TypeVar("T")

MODULE_ATTRIBUTE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_SYS_PATH = Lock()


@lru_cache(maxsize=1)
def _entry_points(path: tuple[tuple[str, int], ...]) -> Any:
    """Those of all packages on a search path, kept: a command asks several times, and reading them takes long."""
    from importlib.metadata import entry_points

    return entry_points()


def _search_path() -> tuple[tuple[str, int], ...]:
    """The folders that packages are imported from, each with its time of change."""

    def changed(folder: str) -> int:
        with suppress(OSError):
            return os.stat(folder or ".").st_mtime_ns
        return 0

    return tuple((folder, changed(folder)) for folder in sys.path)


class Registry(Generic[T]):
    """Everything of one kind that can be named: built in, installed by other packages, or an attribute of a module."""

    def __init__(
        self, kind: str, group: str, built_in: Mapping[str, str], check: Callable[[Any], T] = lambda found: found
    ) -> None:
        """`kind`: a noun for messages. `group`: of entry points. `built_in`: name to `module:attribute`.

        `check` takes what an entry point or `module:attribute` led to and returns it as T, or raises TypeError saying
        what is expected.
        """
        self.kind = kind
        self.group = group
        self.built_in = built_in
        self._check = check

    def installed(self) -> dict[str, EntryPoint]:
        """Entry points of installed packages, sorted by name; a built-in name is never overridden by one."""
        points = _entry_points(_search_path()).select(group=self.group)
        found = {point.name: point for point in points if point.name not in self.built_in}
        return dict(sorted(found.items()))

    def names(self) -> list[str]:
        """All names: built-in ones first, then those of installed packages."""
        return [*self.built_in, *self.installed()]

    def __contains__(self, name: str) -> bool:
        """Whether `get` would try to load it; loading a `module:attribute` may still fail."""
        return name in self.built_in or bool(MODULE_ATTRIBUTE.fullmatch(name)) or name in self.installed()

    def get(self, name: str) -> T:
        """What a name stands for. Raises BadSettings listing the names there are, or saying why loading failed.

        A module named as `module:attribute` may lie in the current folder, which is importable only while it loads.
        """
        if name in self.built_in:
            module, _, attribute = self.built_in[name].partition(":")
            found: T = getattr(import_module(module), attribute)
            return found
        if point := self.installed().get(name):
            return self._load(point, from_here=False)
        if MODULE_ATTRIBUTE.fullmatch(name):
            from importlib.metadata import EntryPoint

            return self._load(EntryPoint(name, name, self.group), from_here=True)
        raise BadSettings(
            f"there is no {self.kind} {name!r}; choose one of {', '.join(self.names())}, "
            "or name one of your own as module:attribute"
        )

    def _load(self, point: EntryPoint, from_here: bool) -> T:
        loaded = False
        try:
            with _current_folder_importable() if from_here else nullcontext():
                found = point.load()
                loaded = True
                return self._check(found)
        except Exception as error:  # a module of somebody else's may raise anything
            hint = ""
            if isinstance(error, ImportError):
                hint = ": its module must be installed" + (" or lie in the current folder" if from_here else "")
            refused = loaded and isinstance(error, TypeError)  # by our check, in words of ours
            why = str(error) if refused else f"{type(error).__name__}: {error}"
            raise BadSettings(
                f"{self.kind} {point.name!r} cannot be loaded: {why}; check {point.value}{hint}"
            ) from error


@contextmanager
def _current_folder_importable() -> Iterator[None]:
    """Last of `sys.path`, and not for longer: the current folder may be a repository that nobody should trust."""
    folder = os.getcwd()
    with _SYS_PATH:
        added = folder not in sys.path
        if added:
            sys.path.append(folder)
        try:
            yield
        finally:
            if added:
                with suppress(ValueError):  # the module itself may have removed it
                    sys.path.remove(folder)

"""Open registries: what is found by name, as `module:attribute`, or by an entry point of an installed package."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from codemonkeys.errors import BadSettings

T = TypeVar("T")

OUTSIDE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
"""`module:attribute`."""


class Registry(Generic[T]):
    """What is there of one kind: built in, installed by other packages, or named by where it is."""

    def __init__(
        self, kind: str, group: str, built_in: Mapping[str, str], check: Callable[[Any], T] = lambda found: found
    ) -> None:
        """`kind`: a noun for messages. `group`: of entry points. `built_in`: name to `module:attribute`.

        `check` is given what was found outside and returns it as this registry's kind, or raises TypeError saying what
        is expected.
        """
        self.kind = kind
        self.group = group
        self._built_in = built_in
        self._check = check

    def names(self) -> list[str]:
        """Names that can be used: built-in ones first, then those of installed packages."""
        return list(dict.fromkeys([*self._built_in, *sorted(self._installed())]))

    def __contains__(self, name: str) -> bool:
        """Whether `get` would look for it; a `module:attribute` may still turn out not to be there."""
        return name in self._built_in or bool(OUTSIDE.fullmatch(name)) or name in self._installed()

    def get(self, name: str) -> T:
        """What a name stands for. Raises BadSettings naming what there is, or why it cannot be loaded."""
        where = self._built_in.get(name) or self._installed().get(name) or name
        if not OUTSIDE.fullmatch(where):
            raise BadSettings(
                f"there is no {self.kind} {name!r}; choose one of {', '.join(self.names())}, "
                "or name one of your own as module:attribute"
            )
        return self._load(name, where)

    def _load(self, name: str, where: str) -> T:
        module, _, attribute = where.partition(":")
        built_in = name in self._built_in
        if not built_in and (folder := os.getcwd()) not in sys.path:
            sys.path.append(folder)  # A module of the user's own lies where the command is called.
        try:
            found = getattr(import_module(module), attribute)
            return found if built_in else self._check(found)
        except (ImportError, AttributeError, TypeError) as error:
            raise BadSettings(f"{self.kind} {name!r} cannot be loaded: {error}; check {where}") from error

    def _installed(self) -> dict[str, str]:
        return {point.name: point.value for point in entry_points(group=self.group)}

"""Texts, paths and flags of a command line without pydantic, which Typer loads to read any value.

Loading it takes as long as most of `show` itself. What needs more than to be taken as it stands, numbers and whatever
is missing or wrong, is Typer's as ever, and so is each message.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup

Process = Callable[[Any, Any], Any]
"""A parameter's `process_value`: of a context and the value as it was given."""


class Command(TyperCommand):
    """A command whose plain parameters are read without pydantic."""

    def get_params(self, ctx: Any) -> Any:
        """Its parameters, `--help` among them."""
        return _reading(super().get_params(ctx))


class Group(TyperGroup):
    """Commands, in front of which plain options are read without pydantic."""

    def get_params(self, ctx: Any) -> Any:
        """Its parameters, `--help` among them."""
        return _reading(super().get_params(ctx))


def _reading(parameters: Any) -> Any:
    for parameter in parameters:
        if not isinstance(parameter.process_value, partial):
            parameter.process_value = partial(_read, parameter, parameter.process_value)
    return parameters


def _read(parameter: Any, process: Process, context: Any, value: Any) -> Any:
    """What a value stands for. `process`: what Typer would do, and does with all that is not plain."""
    described = getattr(parameter, "type_descriptor", None)  # Typer before 0.29 has none, and needs no pydantic
    if described is None or (parameter.required and not value):
        return process(context, value)
    kind = described.annotation
    if value is None:
        value = () if parameter.multiple or parameter.nargs == -1 else None
    elif kind is Path and isinstance(value, str) and _is_free(described.parameter_info, value):
        value = Path(value)
    elif kind == list[str] and isinstance(value, (list, tuple)) and all(isinstance(item, str) for item in value):
        value = list(value)
    elif not (kind in (str, bool) and isinstance(value, kind)):
        return process(context, value)
    return value if parameter.callback is None else parameter.callback(context, parameter, value)


def _is_free(about: Any, path: str) -> bool:
    """Whether nothing that an option can ask of a path is left to check, as `exists` of its declaration `about`."""
    asked = about.exists or about.resolve_path or about.writable or not (about.file_okay and about.dir_okay)
    return not asked and about.path_type in (None, Path) and (not os.path.exists(path) or os.access(path, os.R_OK))

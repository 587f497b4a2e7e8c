"""What the sections of the settings tree have in common."""

from __future__ import annotations

import ast
import inspect
import os
import textwrap
from itertools import pairwise
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


class Section(BaseModel):
    """A section of the tree; unknown names and infinite numbers are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def meanings(section: type[BaseModel]) -> dict[str, str]:
    """What the text below each setting of a section says, by name.

    Read when it is asked for. pydantic would read the source of every section whenever it is imported
    (`use_attribute_docstrings`), which takes 50 ms of CPU time and more.
    """
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(section))).body
    assert isinstance(definition, ast.ClassDef)
    found = {}
    for setting, below in pairwise(definition.body):
        match setting, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = inspect.cleandoc(text)
    return found


def _regular(path: Path) -> Path:
    if path.exists() and not path.is_file():
        raise ValueError("not a regular file")  # a pipe would be waited for
    return path


RegularFile = Annotated[Path, AfterValidator(_regular)]
"""Path of a file that may be absent; pipes, devices and folders are refused."""


def memory_mb() -> int:
    """Memory of this machine, in MiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20

"""What the sections of the settings tree have in common."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict


class Section(BaseModel):
    """A section of the tree; unknown names and infinite numbers are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False)


def _regular(path: Path) -> Path:
    if path.exists() and not path.is_file():
        raise ValueError("not a regular file")  # a pipe would be waited for
    return path


RegularFile = Annotated[Path, AfterValidator(_regular)]
"""Path of a file that may be absent; pipes, devices and folders are refused."""


def memory_mb() -> int:
    """Memory of this machine, in MiB."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20

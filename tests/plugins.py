"""Packages and modules of other people: installed, imported, and forgotten again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def install(folder: Path, entry_points: str, name: str, module: str) -> None:
    """Write to a folder what an installer leaves of a package: its module, and its description."""
    (folder / f"{name}.py").write_text(module)
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(entry_points)


@contextmanager
def as_installed_command(temporary: Path) -> Iterator[None]:
    """Without the current folder in `sys.path`; modules below `temporary` are forgotten at the end."""
    before = list(sys.path)
    sys.path[:] = [entry for entry in before if entry]
    try:
        yield
    finally:
        sys.path[:] = before
        for name, module in list(sys.modules.items()):
            if Path(getattr(module, "__file__", None) or "/").is_relative_to(temporary):
                del sys.modules[name]

"""Packages and modules of other people: installed, imported, and forgotten again."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def install(folder: Path, code: str, entry_points: Mapping[str, str], name: str = "outside_plugin") -> Path:
    """Write a package as pip leaves it, of one module `name`; `entry_points`: group to `NAME = module:attribute`."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.py").write_text(code)
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    groups = "".join(f"[{group}]\n{points}\n" for group, points in entry_points.items())
    (info / "entry_points.txt").write_text(groups)
    return folder


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

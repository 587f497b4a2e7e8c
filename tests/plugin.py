"""Modules and installed packages as a third party would bring them, in a folder of a test."""

from __future__ import annotations

from collections.abc import Mapping
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

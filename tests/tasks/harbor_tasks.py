"""Makes tasks in the form of Harbor."""

from __future__ import annotations

from pathlib import Path


def harbor_task(folder: Path, settings: str = "", dockerfile: str | None = "FROM golang:1.25\n") -> Path:
    """A task in a folder, with answers that nothing which solves may read."""
    for name in ("environment", "solution", "tests"):
        (folder / name).mkdir(parents=True)
    (folder / "task.toml").write_text(f'schema_version = "1.4"\n[task]\nname = "acme/{folder.name}"\n{settings}')
    (folder / "instruction.md").write_text("It rings.\n")
    if dockerfile is not None:
        (folder / "environment" / "Dockerfile").write_text(dockerfile)
    (folder / "solution" / "solve.sh").write_text("label\n")
    (folder / "tests" / "test.sh").write_text("label\n")
    return folder

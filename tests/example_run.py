"""Makes the example run anew: `make example-run` replaces the one that comes with the package."""

from __future__ import annotations

import lzma
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from codemonkeys.cli.exits import Exit
from codemonkeys.demo.example import NAME
from codemonkeys.demo.example.stored import PACKED
from tests.cli.command import Done, new_process

SETTINGS = PACKED.with_name("settings.yaml")
COMMANDS = (
    (Exit.PARTIAL, f"solve codemonkeys.demo.example.tasks:SOURCE: -c {SETTINGS} --run {NAME}"),
    (Exit.DONE, f"evaluate {NAME} --sandbox local"),
    (Exit.DONE, f"study {NAME} --grade turns --sandbox local"),
    (Exit.INTERRUPTED, f"select {NAME} --rule judge"),
)
"""Exit code and command, in order. One task is left unfinished by a fault of its model, and so unselected too."""


def make_example(folder: Path, home: Path, run: Callable[..., Done] = new_process) -> Path:
    """Make the run in a folder; returns its database. `home`: of what is built once; `run`: runs a command."""
    for code, command in COMMANDS:
        done = run(*command.split(), home=home, cwd=folder)
        assert done.code == code, (command, done.code, done.err)
    return folder / "runs" / NAME / "run.db"


def pack(database: Path, target: Path) -> None:
    """Write a database as one compressed file."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder, "run.db")
        with closing(sqlite3.connect(database)) as connection:
            connection.execute("VACUUM INTO ?", (str(whole),))
        target.write_bytes(lzma.compress(whole.read_bytes(), preset=9))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        pack(make_example(Path(scratch), Path(scratch, "home")), PACKED)

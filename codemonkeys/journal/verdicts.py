"""Verdicts of an evaluation, written into a finished run's journal. Nothing that solves tasks imports this."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from codemonkeys.journal import files
from codemonkeys.journal.writer import Writer, now


def put_verdicts(database: Path, verdicts: Mapping[str, tuple[str, str, str]]) -> None:
    """Record, for each task, (hash of the graded patch, outcome, detail). Raises RunBusy, JournalError."""
    lock = files.RunLock(database.parent)
    try:
        with closing(files.connect_to_write(database).conn) as connection:
            writer = Writer(connection, database.parent.name, database.parent)
            with writer.writing():
                connection.executemany(
                    "INSERT OR REPLACE INTO verdicts VALUES (?, ?, ?, ?, ?)",
                    [(task, *verdict, now()) for task, verdict in verdicts.items()],
                )
    finally:
        lock.release()

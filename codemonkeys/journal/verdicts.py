"""Verdicts of an evaluation, written into a finished run's journal. Nothing that solves tasks imports this."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from codemonkeys.journal import files
from codemonkeys.journal.writer import now


def put_verdicts(database: Path, verdicts: Mapping[str, tuple[str, str, str]]) -> None:
    """Record, for each task, (hash of the graded patch, outcome, detail). Raises RunBusy, JournalError."""
    lock = files.RunLock(database.parent)
    try:
        connection = files.connect_to_write(database).conn
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            "INSERT OR REPLACE INTO verdicts (task, patch_hash, outcome, detail, graded_at) VALUES (?, ?, ?, ?, ?)",
            [(task, *verdict, now()) for task, verdict in verdicts.items()],
        )
        connection.execute("COMMIT")
        connection.close()
    finally:
        lock.release()

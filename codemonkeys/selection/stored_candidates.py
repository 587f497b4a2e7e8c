"""Reads the candidates of a stored run, and the test scripts that ran on them, to select among them again."""

from __future__ import annotations

import sqlite3

from codemonkeys.generation.candidate import Candidate
from codemonkeys.journal import texts
from codemonkeys.journal.queries import rows
from codemonkeys.stages import REGRESSION, VOTES


def read_candidates(connection: sqlite3.Connection, task: str) -> list[Candidate]:
    """The candidates of a task, by their numbers; empty if the run has not come to them."""
    return [
        Candidate(
            *(row["sample"], texts.get(connection, row["patch_hash"]), texts.get(connection, row["test_hash"])),
            approved=bool(row["approved"]),
            source=row["source"],
            family=row["family"],
        )
        for row in rows(connection, "SELECT * FROM candidates WHERE task = ? ORDER BY number", task)
    ]


def read_scripts(connection: sqlite3.Connection, task: str) -> list[str]:
    """The test scripts that ran on the unedited code of a task, in the order of the votes."""
    query = (
        "SELECT script_hash FROM execution_steps WHERE task = ? AND stage = ? AND part = 'original' "
        "AND state = 'done' ORDER BY turn"
    )
    return [texts.get(connection, row["script_hash"]) for row in rows(connection, query, task, VOTES.name)]


def was_executed(connection: sqlite3.Connection, task: str) -> bool:
    """Whether scripts or tests of the repository ran on a task's candidates, or it was found that none can."""
    query = (
        "SELECT EXISTS (SELECT 1 FROM execution_steps WHERE task = ? AND stage IN (?, ?) AND state = 'done') "
        "OR EXISTS (SELECT 1 FROM notes WHERE task = ? AND stage = ?)"
    )
    stages = (VOTES.name, REGRESSION.name)
    return bool(connection.execute(query, (task, *stages, task, REGRESSION.name)).fetchone()[0])

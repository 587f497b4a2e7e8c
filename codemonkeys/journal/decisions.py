"""Decisions about the waves of tasks, from their notes."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from codemonkeys.models.replay import DecisionKey

STAGE = "enough"
"""Stage name of these notes."""
DECISION = "decision"
"""Kind of the notes that hold what a task gets next."""
ENDED = "ended"
"""Kind of the notes that hold the samples of a wave in the order of their ends, where that decides something."""
KEPT = "kept"
"""Kind of the notes that hold the samples of a wave that go on after their first edits."""
CONTEXTS = "contexts"
"""Kind of the note that holds the numbers of the context choices that are kept, from 0, the best first."""
STOPPED = "stopped"
"""Kind of the notes that hold the samples of a wave that were stopped."""


class Decisions(NamedTuple):
    """What was decided last about the tasks that have not ended, and how many of these have no decision."""

    last: tuple[dict[str, Any], ...]
    """Bodies of the notes, in the order of the tasks."""
    without: int


def open_decisions(connection: sqlite3.Connection, besides: str) -> Decisions:
    """What was decided last about tasks that have not ended. `besides`: a task that is left out."""
    query = (
        "SELECT (SELECT body FROM notes WHERE (task, stage, kind) = (tasks.id, ?, ?) ORDER BY sample DESC LIMIT 1) "
        "FROM tasks WHERE ended_at IS NULL AND id != ? ORDER BY position"
    )
    bodies = [body for (body,) in connection.execute(query, (STAGE, DECISION, besides))]
    return Decisions(tuple(json.loads(body) for body in bodies if body is not None), bodies.count(None))


def all_decisions(connection: sqlite3.Connection) -> dict[DecisionKey, Any]:
    """Everything that was decided about waves, as stored in a recording."""
    query = "SELECT task, kind, sample, body FROM notes WHERE stage = ? ORDER BY task, kind, sample"
    return {(task, kind, at): json.loads(body) for task, kind, at, body in connection.execute(query, (STAGE,))}

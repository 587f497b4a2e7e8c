"""What an earlier run has really used, by stage: the source of an estimate's expected figures."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from codemonkeys.journal import run_files
from codemonkeys.journal.queries import rows, run_row
from codemonkeys.models.base import Usage
from codemonkeys.settings import Settings
from codemonkeys.stages import AGENT, EDIT, TEST

TOKENS = ("prompt_tokens", "completion_tokens", "cache_read_tokens", "cache_write_tokens")


@dataclass(frozen=True)
class Experience:
    """What tasks that ended have used on average."""

    run: str
    tasks: int
    """How many."""
    samples: int
    """Of each of these tasks."""
    calls: Mapping[str, float]
    """Calls per task, by stage."""
    tokens: Mapping[str, tuple[float, float, float, float]]
    """Per call, by stage: prompt, completion, cache reads, cache writes."""

    def of(self, stage: str, settings: Settings) -> tuple[float, Usage] | None:
        """Calls of a task and their tokens in a run of these settings; None if the stage was never called."""
        if not self.calls.get(stage):
            return None
        drawn = settings.generation.samples / self.samples if stage in (TEST.name, EDIT.name, AGENT.name) else 1.0
        calls = self.calls[stage] * drawn
        prompt, completion, read, written = (round(calls * each) for each in self.tokens[stage])
        return calls, Usage(prompt, completion, read, written)


def read_experience(database: Path) -> Experience | None:
    """What a run has used; None before a task of it has ended. Raises CorruptJournal, NewerJournal."""
    with run_files.reading(database) as connection:
        return _read(connection, database.parent.name)


def _read(connection: sqlite3.Connection, run: str) -> Experience | None:
    ended = "SELECT id FROM tasks WHERE ended_at IS NOT NULL AND id IN (SELECT task FROM call_steps)"
    (tasks,) = connection.execute(f"SELECT count(*) FROM ({ended})").fetchone()
    if not tasks:
        return None
    means = ", ".join(f"avg({name}) AS {name}" for name in TOKENS)
    stages = rows(
        connection,
        f"SELECT stage, count(*) AS calls, {means} FROM call_steps "
        f"WHERE state = 'done' AND prompt_tokens IS NOT NULL AND task IN ({ended}) GROUP BY stage",
    )
    samples = run_row(connection)["settings"].get("generation", {}).get("samples", 1)
    calls = {row["stage"]: row["calls"] / tasks for row in stages}
    tokens = {row["stage"]: (row[TOKENS[0]], row[TOKENS[1]], row[TOKENS[2]], row[TOKENS[3]]) for row in stages}
    return Experience(run, tasks, max(1, samples), calls, tokens)

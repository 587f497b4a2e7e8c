"""What an earlier run has really used, by stage: the source of an estimate's expected figures."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from codemonkeys.compute.policies import effective_policy
from codemonkeys.journal import run_files
from codemonkeys.journal.queries import rows, run_row
from codemonkeys.models.base import Usage
from codemonkeys.settings import GenerationSettings, Settings
from codemonkeys.stages import AGENT, EDIT, TEST

TOKENS = ("prompt_tokens", "completion_tokens", "cache_read_tokens", "cache_write_tokens")


@dataclass(frozen=True)
class Used:
    """What one call of each conversation of a stage has used."""

    turn: int
    """Its number within the conversation, from 0."""
    calls: float
    """Calls per task."""
    tokens: tuple[float, float, float, float]
    """Per call: prompt, completion, cache reads, cache writes."""


@dataclass(frozen=True)
class Experience:
    """What tasks that ended have used on average."""

    run: str
    tasks: int
    """How many."""
    generation: GenerationSettings
    """Of the run, as far as it says how many trajectories of each kind a task has."""
    used: Mapping[str, Sequence[Used]]
    """By stage."""
    policy: str = "fixed"
    """The compute policy, by which its tasks may have drawn fewer samples than they could."""

    def of(self, stage: str, settings: Settings) -> tuple[float, Usage] | None:
        """Calls of a task and their tokens in a run of these settings; None if the stage was never called.

        Conversations of trajectories are as many as the settings have of their kind, and of no more turns than these
        allow; where they allow more than the run did, as long as they were.
        """
        if not self.used.get(stage):
            return None
        kind, turns = limits(settings).get(stage, (None, None))
        drawn = 1.0 if kind is None else settings.generation.count(kind) / max(1, self.generation.count(kind))
        used = [each for each in self.used[stage] if turns is None or each.turn < turns]
        prompt, completion, read, written = (
            round(drawn * sum(each.calls * each.tokens[which] for each in used)) for which in range(4)
        )
        return drawn * sum(each.calls for each in used), Usage(prompt, completion, read, written)


def limits(settings: Settings) -> dict[str, tuple[str, int]]:
    """By stage of trajectories, the kind of those that have it, and the most calls of each conversation."""
    generation = settings.generation
    return {
        TEST.name: ("edit", generation.test_turns),
        EDIT.name: ("edit", generation.edit_turns),
        AGENT.name: ("agent", settings.agent.steps),
    }


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
    turns = rows(
        connection,
        f"SELECT stage, turn, count(*) AS calls, {means} FROM call_steps "
        f"WHERE state = 'done' AND prompt_tokens IS NOT NULL AND task IN ({ended}) GROUP BY stage, turn",
    )
    used: dict[str, list[Used]] = {}
    for row in turns:
        tokens = (row[TOKENS[0]], row[TOKENS[1]], row[TOKENS[2]], row[TOKENS[3]])
        used.setdefault(row["stage"], []).append(Used(row["turn"], row["calls"] / tasks, tokens))
    settings = run_row(connection)["settings"]
    told = settings.get("generation", {})
    # Runs of early versions have one kind and no policy, and an ensemble may store none of these.
    known = {name: told[name] for name in ("samples", "kinds", "models") if name in told}
    policy = effective_policy(
        settings.get("compute", {}).get("policy", "fixed"), settings.get("selection", {}).get("stop", False)
    )
    return Experience(run, tasks, GenerationSettings(**{"samples": 1, **known}), used, policy)

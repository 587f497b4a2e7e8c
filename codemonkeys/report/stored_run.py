"""What a study needs of a run, read from its journal: evidence, choices, costs, and edits turn by turn. No verdict."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass, field
from typing import NamedTuple

from codemonkeys.journal.queries import rows
from codemonkeys.selection.collect_evidence import stored_evidence
from codemonkeys.selection.evidence import Evidence


class Cost(NamedTuple):
    """What one kind of evidence cost in a whole run."""

    calls: int = 0
    usd: float | None = 0.0
    """None where no price is known."""
    executions: int = 0
    """Those that ran; what an equal one answered cost nothing."""
    seconds: float = 0.0
    """Of executions, one after the other."""

    def plus(self, other: Cost) -> Cost:
        """Both together."""
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Cost(self.calls + other.calls, usd, self.executions + other.executions, self.seconds + other.seconds)


@dataclass(frozen=True)
class StoredRun:
    """A run as a study sees it."""

    name: str
    rule: str
    """That chose in the run itself."""
    samples: dict[str, int]
    """By task, trajectories that came to edit, with an edit at the end or without one. Empty for ensembles."""
    tasks: tuple[str, ...]
    evidence: dict[str, Evidence]
    """Of the tasks that have candidates and whose evidence is whole."""
    without: tuple[str, ...]
    """Tasks that ended without a candidate."""
    incomplete: tuple[str, ...]
    """Tasks that have candidates, and evidence that is not whole: the run was stopped there."""
    choices: dict[str, int | None]
    """Index of the candidate that the run chose; None if it abstained. Of tasks that came to a decision."""
    costs: dict[str, Cost]
    """By stage."""
    turns: dict[str, tuple[tuple[str | None, ...], ...]]
    """For each task, and each trajectory, hash of its patch after each model call of the edit conversation; empty while
    it has none, None where that is not known."""
    wave_of: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    """For each task, and each candidate, the wave that its trajectory was in, from 1. Empty for ensembles."""
    diversity: str = "none"
    """What later waves were told of earlier ones: `generation.diversity` of the run."""


def read_run(connection: sqlite3.Connection) -> StoredRun:
    """A run from its journal, open for reading."""
    run = rows(connection, "SELECT name, settings FROM run")[0]
    settings = json.loads(run["settings"])
    # A run of an early version names no rule: then it was the conversation.
    rule = settings.get("selection", {}).get("rule", "conversation")
    generation = settings.get("generation", {})
    drawn = "SELECT task, count(DISTINCT sample) AS samples FROM call_steps WHERE stage = 'edit' GROUP BY task"
    found = rows(connection, "SELECT id, state, candidate FROM tasks ORDER BY position")
    has = {row["task"] for row in rows(connection, "SELECT DISTINCT task FROM candidates")}
    evidence = {row["id"]: e for row in found if row["id"] in has and (e := stored_evidence(connection, row["id"]))}
    ended = [row for row in found if row["id"] in evidence and row["state"] not in ("waiting", "running")]
    return StoredRun(
        name=run["name"],
        rule=rule,
        samples={row["task"]: row["samples"] for row in rows(connection, drawn)},
        tasks=tuple(row["id"] for row in found),
        evidence=evidence,
        without=tuple(row["id"] for row in found if row["id"] not in has and row["state"] == "no candidate"),
        incomplete=tuple(row["id"] for row in found if row["id"] in has and row["id"] not in evidence),
        choices={row["id"]: None if row["candidate"] is None else row["candidate"] - 1 for row in ended},
        costs=stage_costs(connection),
        turns={task: edits_by_turn(connection, task) for task in evidence},
        wave_of={} if "ensemble" in settings else waves_of(connection, generation.get("wave")),
        diversity=generation.get("diversity", "none"),
    )


def waves_of(connection: sqlite3.Connection, size: int | None) -> dict[str, tuple[int, ...]]:
    """For each task the waves of its candidates, in their order. `size`: trajectories of a wave; None: all in one."""
    found: dict[str, tuple[int, ...]] = {}
    for row in rows(connection, "SELECT task, sample FROM candidates ORDER BY task, number"):
        wave = 1 if size is None else row["sample"] // size + 1
        found[row["task"]] = (*found.get(row["task"], ()), wave)
    return found


def stage_costs(connection: sqlite3.Connection) -> dict[str, Cost]:
    """What each stage cost: model calls and executions."""
    costs: dict[str, Cost] = {}
    for row in rows(
        connection,
        "SELECT stage, count(*) AS calls, count(cost_usd) AS priced, sum(cost_usd) AS usd FROM costs GROUP BY stage",
    ):
        usd = row["usd"] if row["priced"] == row["calls"] else None
        costs[row["stage"]] = Cost(row["calls"], usd)
    ran = "SELECT stage, count(*) AS ran, sum(seconds) AS seconds FROM execution_steps WHERE NOT reused GROUP BY stage"
    for row in rows(connection, ran):
        costs[row["stage"]] = costs.get(row["stage"], Cost()).plus(Cost(0, 0.0, row["ran"], row["seconds"]))
    return costs


def edits_by_turn(connection: sqlite3.Connection, task: str) -> tuple[tuple[str | None, ...], ...]:
    """For each trajectory, hash of its patch after each call of its edit conversation; see `StoredRun.turns`."""
    calls = rows(
        connection,
        "SELECT sample, count(*) AS calls FROM call_steps WHERE task = ? AND stage = 'edit' AND state = 'done' "
        "GROUP BY sample ORDER BY sample",
        task,
    )
    tried: dict[int, dict[int, str]] = {}
    for row in rows(
        connection,
        "SELECT sample, turn, patch_hash FROM execution_steps "
        "WHERE task = ? AND stage = 'edit' AND part = 'edited' AND state = 'done'",
        task,
    ):
        tried.setdefault(row["sample"], {})[row["turn"]] = row["patch_hash"]
    last = {
        row["sample"]: row["patch_hash"]
        for row in rows(connection, "SELECT sample, patch_hash FROM candidates WHERE task = ?", task)
    }
    trajectories = []
    for row in calls:
        sample, states = row["sample"], tried.get(row["sample"], {})
        after: list[str | None] = []
        for turn in range(row["calls"]):
            before = after[-1] if after else ""
            # Without a test script nothing is run, and so nothing tells when a patch was first there.
            after.append(states.get(turn, before if states or sample not in last else None))
        if after and sample in last:
            after[-1] = last[sample]
        trajectories.append(tuple(after))
    return tuple(trajectories)

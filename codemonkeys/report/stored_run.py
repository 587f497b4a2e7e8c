"""Reads from a journal what a study needs: evidence, choices, costs, and edits turn by turn, but no verdicts."""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from codemonkeys.generation.candidate import is_fused
from codemonkeys.journal.decisions import DECISION, all_decisions
from codemonkeys.journal.named_choices import NamedChoice, chosen, named_choices
from codemonkeys.journal.queries import rows, run_row
from codemonkeys.report.layer_records import Verification, critiqued_tasks, rankings_of, verifications_of
from codemonkeys.selection.collect_evidence import stored_evidence
from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.stop_policy import Decision
from codemonkeys.stages import choice_of


class Cost(NamedTuple):
    """Cost of one kind of evidence in a whole run."""

    calls: int = 0
    usd: float | None = 0.0
    """None if no price is known."""
    executions: int = 0
    """Executions that actually ran; cached results are free."""
    seconds: float = 0.0
    """Total duration of the executions."""

    def plus(self, other: Cost) -> Cost:
        """The sum of both."""
        usd = None if self.usd is None or other.usd is None else self.usd + other.usd
        return Cost(self.calls + other.calls, usd, self.executions + other.executions, self.seconds + other.seconds)


@dataclass(frozen=True)
class StoredChoice:
    """A named choice of a run."""

    name: str
    rule: str
    model: str | None
    choices: dict[str, int | None]
    """By decided task, index of the chosen candidate; None if it abstained."""
    cost: Cost
    """Of what it asked and executed itself."""


@dataclass(frozen=True)
class StoredRun:
    """The parts of a run that a study reads."""

    name: str
    rule: str
    """The selection rule that the run used."""
    samples: dict[str, int]
    """By task, trajectories that reached the edit stage, with or without a final edit. Empty for ensembles."""
    tasks: tuple[str, ...]
    evidence: dict[str, Evidence]
    """By task, for tasks with candidates and complete evidence."""
    without: tuple[str, ...]
    """Tasks that ended without a candidate."""
    incomplete: tuple[str, ...]
    """Tasks with candidates but incomplete evidence, because the run was stopped."""
    choices: dict[str, int | None]
    """By decided task, index of the chosen candidate; None if the run abstained."""
    costs: dict[str, Cost]
    """By stage."""
    turns: dict[str, tuple[tuple[str | None, ...], ...]]
    """By task, for each trajectory, the hash of its patch after each model call of the edit conversation: empty without
    a patch, None if unknown."""
    wave_of: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    """By task, for each candidate, the wave of its trajectory, from 1. Empty for ensembles."""
    diversity: str = "none"
    """The run's `generation.diversity`: what later waves see of earlier ones."""
    rankings: dict[str, tuple[int, ...]] = field(default_factory=dict[str, tuple[int, ...]])
    """By task, candidates in the order of the first layer that ranked them."""
    critiqued: frozenset[str] = frozenset()
    """Tasks of which some candidate has a critique."""
    verifications: dict[str, tuple[Verification, ...]] = field(default_factory=dict[str, tuple[Verification, ...]])
    """By task, merged candidates that a layer verified, those included that it refused."""
    named: tuple[StoredChoice, ...] = ()
    pool: tuple[Evidence, ...] = ()
    """Evidence of all tasks, also of those that are not asked for: rules that learn learn from it."""
    uncovered: int = 0
    """Tasks of an ensemble's dataset that no submission has a record of; they count nowhere."""


def read_run(connection: sqlite3.Connection, wanted: Callable[[str], object] = lambda task: True) -> StoredRun:
    """Read a run from a connection to its journal. `wanted`: says of which tasks; rules learn from all."""
    run = run_row(connection)
    settings = run["settings"]
    # Runs of early versions store no rule; they used the conversation.
    rule = settings.get("selection", {}).get("rule", "conversation")
    generation = settings.get("generation", {})
    drawn = (
        "SELECT task, count(DISTINCT sample) AS samples FROM call_steps WHERE stage IN ('edit', 'agent') GROUP BY task"
    )
    every = rows(connection, "SELECT id, state, candidate FROM tasks ORDER BY position")
    task_rows = [row for row in every if wanted(row["id"])]
    with_candidates = {row["task"] for row in rows(connection, "SELECT DISTINCT task FROM candidates")}
    pool = {
        row["id"]: e for row in every if row["id"] in with_candidates and (e := stored_evidence(connection, row["id"]))
    }
    evidence = {row["id"]: pool[row["id"]] for row in task_rows if row["id"] in pool}
    bare = [row["id"] for row in task_rows if row["id"] not in with_candidates and row["state"] == "no candidate"]
    without = [task for task in bare if "ensemble" not in settings or was_submitted(connection, task)]
    ended = [row for row in task_rows if row["id"] in evidence and row["state"] not in ("waiting", "running")]
    costs = stage_costs(connection, [row["id"] for row in task_rows])
    return StoredRun(
        name=run["name"],
        rule=rule,
        samples={row["task"]: row["samples"] for row in rows(connection, drawn)},
        tasks=tuple(row["id"] for row in task_rows),
        evidence=evidence,
        without=tuple(without),
        incomplete=tuple(row["id"] for row in task_rows if row["id"] in with_candidates and row["id"] not in evidence),
        choices={row["id"]: None if row["candidate"] is None else row["candidate"] - 1 for row in ended},
        costs=costs,
        turns={task: edits_by_turn(connection, task) for task in evidence},
        wave_of={} if "ensemble" in settings else waves_of(connection, generation.get("wave")),
        diversity=generation.get("diversity", "none"),
        rankings=rankings_of(connection),
        critiqued=critiqued_tasks(connection),
        verifications=verifications_of(connection),
        named=tuple(read_choice(connection, choice, costs) for choice in named_choices(connection)),
        pool=tuple(pool.values()),
        uncovered=len(bare) - len(without),
    )


def was_submitted(connection: sqlite3.Connection, task: str) -> bool:
    """Whether an ensemble without a candidate for a task had one that does not apply."""
    query = "SELECT 1 FROM notes WHERE task = ? AND stage = 'ensemble' AND kind = 'does not apply'"
    return connection.execute(query, (task,)).fetchone() is not None


def read_choice(connection: sqlite3.Connection, choice: NamedChoice, costs: Mapping[str, Cost]) -> StoredChoice:
    """A named choice, with what it cost beyond the evidence of the run. `costs`: by stage."""
    decided = [row for row in chosen(connection, choice.name) if row["state"] in ("predicted", "abstained")]
    numbers = {row["task"]: None if row["candidate"] is None else row["candidate"] - 1 for row in decided}
    total = Cost()
    for cost in (cost for stage, cost in costs.items() if choice_of(stage) == choice.name):
        total = total.plus(cost)
    return StoredChoice(choice.name, choice.rule, choice.model, numbers, total)


def waves_of(connection: sqlite3.Connection, size: int | None) -> dict[str, tuple[int, ...]]:
    """By task, the wave of each candidate, in order. `size`: trajectories per wave; None: a single wave.

    A merged candidate follows all before it, and so is a wave of its own.
    """
    waves: dict[str, tuple[int, ...]] = {}
    begun = {} if size is None else begun_by_policies(connection, size)
    for row in rows(connection, "SELECT * FROM candidates ORDER BY task, number"):
        wave = 1 if size is None else row["sample"] // size + 1
        if starts := begun.get(row["task"]):
            wave = bisect_right(starts, row["sample"])
        if is_fused(row.get("source", "")):
            wave = 1 + max(waves.get(row["task"], ()), default=0)
        waves[row["task"]] = (*waves.get(row["task"], ()), wave)
    return waves


def begun_by_policies(connection: sqlite3.Connection, size: int) -> dict[str, list[int]]:
    """By task that a policy decided about, the first sample of each wave: they differ in size, with tests in between.

    `size`: of the first wave.
    """
    starts: dict[str, list[int]] = {}
    free: dict[str, int] = {}
    for (task, kind, _), body in all_decisions(connection).items():
        if kind == DECISION and body.get("decision") == Decision.ANOTHER_WAVE:
            tests = body.get("tests", 0)
            # Those of early versions, which added no tests, did not say how many samples.
            drawn, next_free = body.get("samples", 0 if tests else size), free.get(task, size)
            starts.setdefault(task, [0]).extend([next_free] * (drawn > 0))
            free[task] = next_free + drawn + tests
    return starts


def stage_costs(connection: sqlite3.Connection, tasks: Sequence[str]) -> dict[str, Cost]:
    """Cost of each stage on these tasks: model calls and executions."""
    among, ids = "task IN (SELECT value FROM json_each(?))", json.dumps(list(tasks))
    costs: dict[str, Cost] = {}
    for row in rows(
        connection,
        "SELECT stage, count(*) AS calls, count(cost_usd) AS priced, sum(cost_usd) AS usd FROM costs "
        f"WHERE {among} GROUP BY stage",
        ids,
    ):
        usd = row["usd"] if row["priced"] == row["calls"] else None
        costs[row["stage"]] = Cost(row["calls"], usd)
    ran = (
        "SELECT stage, count(*) AS ran, sum(seconds) AS seconds FROM execution_steps "
        f"WHERE NOT reused AND {among} GROUP BY stage"
    )
    for row in rows(connection, ran, ids):
        costs[row["stage"]] = costs.get(row["stage"], Cost()).plus(Cost(0, 0.0, row["ran"], row["seconds"]))
    return costs


def edits_by_turn(connection: sqlite3.Connection, task: str) -> tuple[tuple[str | None, ...], ...]:
    """For each trajectory, the hash of its patch after each call of its edit conversation; see `StoredRun.turns`."""
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
            # Without a test script nothing runs, so the turn in which a patch appeared is unknown.
            after.append(states.get(turn, before if states or sample not in last else None))
        if after and sample in last:
            after[-1] = last[sample]
        trajectories.append(tuple(after))
    return tuple(trajectories)

"""Status of a run, live or finished, from its journal: tasks by stage, spend, throughput, time left, failures."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from codemonkeys.journal import run_files
from codemonkeys.journal.named_choices import spend_of_choices
from codemonkeys.journal.nodes import stored_cluster
from codemonkeys.journal.queries import pending_batches, retries, rows, run_row, unanswered
from codemonkeys.journal.settlement import NOT_SENT
from codemonkeys.runs.estimate_file import read_estimate
from codemonkeys.stages import STAGES

PHASES = {
    phase: tuple(stage.name for stage in STAGES.values() if stage.phase == phase)
    for phase in ("selection", "generation", "context")
}
"""Stages by phase, latest phase first. A task is in the latest phase in which it has taken a step."""
WINDOW = timedelta(minutes=10)
"""Throughput is measured over this long before now."""
MAX_FAILURES = 5


@dataclass(frozen=True)
class RunningTask:
    """A task that has started and not ended."""

    id: str
    phase: str
    """`preparing`, `context`, `generation` or `selection`."""
    calls: int
    in_flight: int
    executions: int
    votes: tuple[int, int]
    """Votes cast so far, and runs of valid tests on candidates."""
    cost_usd: float | None
    began: str


@dataclass(frozen=True)
class Failure:
    """A failed call, execution or task."""

    at: str
    where: str
    text: str


@dataclass(frozen=True)
class RunStatus:
    """The status of a run at one moment."""

    run: str
    at: str
    owner: int | None
    """Process id of the active session; None if the run is not active."""
    tasks: dict[str, int]
    """Number of tasks by state: waiting, the phases of running ones, and the final states."""
    in_work: list[RunningTask]
    spent_usd: float | None
    """US dollars, settled and reserved; None if no price is known."""
    reserved_usd: float
    """The part of it reserved for calls in flight."""
    budget_usd: float | None
    expected_usd: float | None
    """Projected total of the run, if the other tasks cost the mean of those that ended; None before one has."""
    calls_a_minute: float
    tokens_a_minute: float
    seconds_left: float | None
    """Projected from this throughput and the mean calls of ended tasks; None if unknown."""
    asked_again: dict[str, int]
    """Retried attempts (transient errors), by HTTP status or kind of error, and model."""
    troubles: list[Failure]
    """The most recent failures, newest first."""
    estimated_usd: float | None = None
    """What `--dry-run` expected the whole run to cost; None if it was not asked, or its prices were unknown."""
    estimate_factor: float | None = None
    """What the tasks that ended cost, relative to what it expected of them; None before one has."""
    unanswered_usd: float = 0.0
    """The part of the spend for attempts without an answer that may have been charged, at their upper bounds."""

    batches: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """Batches that are at their providers; see `queries.pending_batches`."""
    choices: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    """Calls and US dollars of each named choice, which are part of the spend; see `choices.spend_of_choices`."""
    cluster: dict[str, Any] | None = None
    """The machines of its cluster, if it has had one; see `nodes.stored_cluster`."""

    @property
    def ended(self) -> int:
        """Number of tasks in a final state."""
        return sum(count for state, count in self.tasks.items() if state not in UNFINISHED)


UNFINISHED = ("waiting", "preparing", "context", "generation", "selection")


@dataclass
class StatusReader:
    """Reads the status of a run repeatedly; the totals of ended tasks are cached."""

    folder: Path
    """The run's folder."""
    _totals: dict[str, tuple[str, int, float | None]] = field(default_factory=dict[str, tuple[str, int, float | None]])
    """Of ended tasks: end time, number of calls, and cost."""

    def read(self) -> RunStatus:
        """The current status. Raises NewerJournal, and CorruptJournal (also while the run is being created)."""
        with run_files.reading(self.folder / "run.db") as connection:
            try:
                return self._status(connection, datetime.now(UTC))
            except (LookupError, TypeError, ValueError) as error:
                raise run_files.corrupt(self.folder / "run.db", f"a value in it has no meaning: {error}") from error

    def _status(self, connection: sqlite3.Connection, now: datetime) -> RunStatus:
        budget = run_row(connection)["settings"].get("operation", {}).get("budget")
        tasks = rows(connection, "SELECT id, state, reason, started_at, ended_at FROM tasks ORDER BY position")
        totals = self._totals_of(connection, [task for task in tasks if task["ended_at"]])
        in_work, reserved = running_tasks(connection, [task for task in tasks if task["state"] == "running"])
        states = Counter(task["state"] for task in tasks if task["state"] != "running")
        states.update(task.phase for task in in_work)

        calls = [count for count, _ in totals if count]
        costs = [cost for count, cost in totals if count and cost is not None]
        unfinished = [(t.calls, t.cost_usd or 0.0) for t in in_work] + [(0, 0.0)] * states["waiting"]
        recent, tokens, minutes = throughput(connection, tasks, now)
        asked = [cost for count, cost in totals if count] + [t.cost_usd for t in in_work if t.calls]
        known = [cost for cost in asked if cost is not None]
        spent = sum(known) if known or not asked else None
        retried, cluster = retries(connection), stored_cluster(connection)
        estimate = read_estimate(self.folder)
        ended = [task["id"] for task in tasks if task["ended_at"]]
        calls_left = remaining(calls, (count for count, _ in unfinished))
        cost_left = remaining(costs, (cost for _, cost in unfinished))
        return RunStatus(
            run=self.folder.absolute().name,
            at=now.isoformat(timespec="seconds"),
            owner=run_files.owner_of(self.folder),
            tasks=dict(states),
            in_work=in_work,
            spent_usd=spent,
            reserved_usd=reserved,
            unanswered_usd=unanswered(connection)["cost_usd"],
            batches=pending_batches(connection),
            choices=spend_of_choices(connection),
            cluster=cluster,
            budget_usd=budget,
            estimated_usd=sum(estimate.values()) if estimate else None,
            estimate_factor=factor(
                estimate, {id: cost for id, (count, cost) in zip(ended, totals, strict=True) if count}
            ),
            expected_usd=None if cost_left is None or spent is None else spent + cost_left,
            calls_a_minute=recent / minutes,
            tokens_a_minute=tokens / minutes,
            seconds_left=60 * calls_left * minutes / recent if recent and calls_left is not None else None,
            asked_again={f"{row['status']} ({row['model']})": row["times"] for row in retried},
            troubles=recent_failures(connection, tasks, retried, cluster["nodes"] if cluster else ()),
        )

    def _totals_of(
        self, connection: sqlite3.Connection, ended: Sequence[dict[str, Any]]
    ) -> list[tuple[int, float | None]]:
        """Calls and cost of ended tasks, in their order."""
        query = "SELECT task, count(*), sum(cost_usd) FROM costs"
        new = [task for task in ended if self._totals.get(task["id"], ("",))[0] != task["ended_at"]]
        if len(new) > len(ended) // 2:
            fetched = connection.execute(f"{query} GROUP BY task").fetchall()
        else:
            of_one = f"{query} WHERE task = ?"
            fetched = [connection.execute(of_one, (task["id"],)).fetchone() for task in new]
        sums = {task: (calls, cost) for task, calls, cost in fetched}
        self._totals.update({t["id"]: (t["ended_at"], *sums.get(t["id"], (0, None))) for t in new})
        return [self._totals[task["id"]][1:] for task in ended]


def factor(estimate: Mapping[str, float], costs: Mapping[str, float | None]) -> float | None:
    """Cost of tasks relative to their estimate; None if that says nothing of them, or a cost is unknown."""
    compared = [(cost, estimate[task]) for task, cost in costs.items() if task in estimate]
    spent, expected = sum(cost or 0.0 for cost, _ in compared), sum(usd for _, usd in compared)
    return spent / expected if expected > 0 and all(cost is not None for cost, _ in compared) else None


def running_tasks(connection: sqlite3.Connection, running: Sequence[dict[str, Any]]) -> tuple[list[RunningTask], float]:
    """The running tasks, and US dollars reserved for their calls in flight."""
    tasks, reserved = [], 0.0
    for task in running:
        calls = rows(
            connection,
            "SELECT stage, count(*) AS calls, sum(state = 'started') AS in_flight, sum(cost_usd) AS cost, "
            "sum(cost_usd) FILTER (WHERE state = 'started') AS reserved FROM costs WHERE task = ? GROUP BY stage",
            task["id"],
        )
        executions = rows(
            connection,
            "SELECT stage, count(*) AS count FROM execution_steps WHERE task = ? GROUP BY stage",
            task["id"],
        )
        votes = connection.execute(
            "SELECT coalesce(sum(vote), 0), count(*) FROM votes WHERE task = ? AND valid", (task["id"],)
        ).fetchone()
        stages = {row["stage"] for row in (*calls, *executions)}
        costs = [row["cost"] for row in calls if row["cost"] is not None]
        reserved += sum(row["reserved"] or 0.0 for row in calls)
        tasks.append(
            RunningTask(
                id=task["id"],
                phase=next((phase for phase, of in PHASES.items() if stages & set(of)), "preparing"),
                calls=sum(row["calls"] for row in calls),
                in_flight=sum(row["in_flight"] for row in calls),
                executions=sum(row["count"] for row in executions),
                votes=(votes[0], votes[1]),
                cost_usd=sum(costs) if costs or not calls else None,
                began=task["started_at"] or "",
            )
        )
    return tasks, reserved


def throughput(
    connection: sqlite3.Connection, tasks: Sequence[dict[str, Any]], now: datetime
) -> tuple[int, int, float]:
    """Answered calls and tokens within the window, and its length in minutes."""
    since = (now - WINDOW).isoformat(timespec="milliseconds")
    calls = tokens = 0
    first = None
    for task in tasks:
        if task["started_at"] and (task["ended_at"] or since) >= since:
            count, sum_of_tokens, earliest = connection.execute(
                "SELECT count(*), coalesce(sum(prompt_tokens + completion_tokens), 0), min(ended_at) "
                "FROM call_steps WHERE task = ? AND state = 'done' AND ended_at >= ?",
                (task["id"], since),
            ).fetchone()
            calls, tokens = calls + count, tokens + sum_of_tokens
            first = min(first or earliest, earliest) if earliest else first
    seconds = (now - datetime.fromisoformat(first)).total_seconds() if first else 0.0
    # At least a second: the window may be a single instant, or the clock may have been set back.
    return calls, tokens, max(seconds, 1.0) / 60


def recent_failures(
    connection: sqlite3.Connection,
    tasks: Sequence[dict[str, Any]],
    retried: Sequence[dict[str, Any]],
    nodes: Sequence[dict[str, Any]] = (),
) -> list[Failure]:
    """The most recent failed calls, executions, tasks and machines, newest first.

    What failed with a machine of a cluster is one failure, that of the machine.
    """
    own = {"call_steps": "", "execution_steps": "AND node = ''" if nodes else ""}
    failures = [
        Failure(row["ended_at"], f"{row['task']} {row['stage']}", row["text"] or "")
        for table, text in (("call_steps", "error"), ("execution_steps", "detail"))
        for row in rows(
            connection,
            f"SELECT ended_at, task, stage, {text} AS text FROM {table} WHERE state = 'failed' AND {text} IS NOT ? "
            f"{own[table]} ORDER BY ended_at DESC LIMIT {MAX_FAILURES}",
            NOT_SENT,
        )
    ]
    failures += [Failure(row["last_at"], f"{row['model']}, retried ({row['times']})", row["last"]) for row in retried]
    failures += [
        Failure(node["last_failure_at"], f"{node['address'] or node['node']} {node['state']}", node["last_failure"])
        for node in nodes
        if node["last_failure_at"]
    ]
    failures += [
        Failure(task["ended_at"], f"{task['id']} {task['state']}", task["reason"])
        for task in tasks
        if task["ended_at"] and task["state"] != "predicted"
    ]
    return sorted(failures, key=lambda failure: failure.at, reverse=True)[:MAX_FAILURES]


def remaining(ended: Sequence[float], unfinished: Iterable[float]) -> float | None:
    """Projected remainder of unfinished tasks, given their amounts so far, if each ends at the ended tasks' mean."""
    if not ended:
        return None
    mean = sum(ended) / len(ended)
    return sum(max(0.0, mean - so_far) for so_far in unfinished)

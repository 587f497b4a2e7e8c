"""How a run stands while it goes on, read from its journal: tasks by stage, money, speed, time left, failures."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from codemonkeys.journal import run_files
from codemonkeys.journal.queries import retries, rows
from codemonkeys.stages import STAGES

PHASES = {
    phase: tuple(stage.name for stage in STAGES.values() if stage.phase == phase)
    for phase in ("selection", "generation", "context")
}
"""Where a task is, latest first: told by the latest stage that it has taken a step of."""
WINDOW = timedelta(minutes=10)
"""Speed is that of so long before now."""
ERRORS = 5


@dataclass(frozen=True)
class TaskInWork:
    """A task that has begun and not ended."""

    id: str
    phase: str
    """`preparing`, `context`, `generation` or `selection`."""
    calls: int
    in_flight: int
    executions: int
    votes: tuple[int, int]
    """Votes cast so far, of so many runs of valid tests on candidates."""
    cost_usd: float | None
    began: str


@dataclass(frozen=True)
class Trouble:
    """Something that failed."""

    at: str
    where: str
    text: str


@dataclass(frozen=True)
class RunStatus:
    """How a run stands at one moment."""

    run: str
    at: str
    owner: int | None
    """Process that works on it."""
    tasks: dict[str, int]
    """How many wait, are in work in each phase, and how many ended in each way."""
    in_work: list[TaskInWork]
    spent_usd: float | None
    """Settled and reserved; None if no price is known."""
    reserved_usd: float
    """Of that, what calls in flight may still come to."""
    budget_usd: float | None
    expected_usd: float | None
    """What the whole run will come to if the other tasks are like those that ended; None before one has."""
    calls_a_minute: float
    tokens_a_minute: float
    seconds_left: float | None
    """Until all tasks have ended, at this speed, if the others are like those that ended; None if that is unknown."""
    asked_again: dict[str, int]
    """Attempts that failed for a passing reason, by HTTP status or kind and model."""
    troubles: list[Trouble]
    """The last that failed, newest first."""

    @property
    def ended(self) -> int:
        """Tasks that have ended, in whatever way."""
        return sum(count for state, count in self.tasks.items() if state not in UNFINISHED)


UNFINISHED = ("waiting", "preparing", "context", "generation", "selection")


@dataclass
class Observer:
    """Looks again and again how a run stands; what an ended task came to is added up once."""

    folder: Path
    """That of the run."""
    _ended: dict[str, tuple[str, int, float | None]] = field(default_factory=dict[str, tuple[str, int, float | None]])
    """When a task ended, its calls and its cost."""

    def look(self) -> RunStatus:
        """How the run stands now. Raises CorruptJournal, also where the run is just being made, and NewerJournal."""
        with run_files.reading(self.folder / "run.db") as connection:
            return self._standing(connection, datetime.now(UTC))

    def _standing(self, connection: sqlite3.Connection, now: datetime) -> RunStatus:
        ((run, settings),) = connection.execute("SELECT name, settings FROM run")
        budget = json.loads(settings).get("operation", {}).get("budget")
        tasks = rows(connection, "SELECT id, state, reason, started_at, ended_at FROM tasks ORDER BY position")
        sums = self._sums_of(connection, [task for task in tasks if task["ended_at"]])
        in_work, reserved = in_work_of(connection, [task for task in tasks if task["state"] == "running"])
        states = Counter(task["state"] for task in tasks if task["state"] != "running")
        states.update(task.phase for task in in_work)

        calls = [count for count, _ in sums if count]
        costs = [cost for count, cost in sums if count and cost is not None]
        unfinished = [(t.calls, t.cost_usd or 0.0) for t in in_work] + [(0, 0.0)] * states["waiting"]
        recent, tokens, minutes = speed(connection, tasks, now)
        known = [cost for _, cost in sums if cost is not None] + [t.cost_usd for t in in_work if t.cost_usd is not None]
        spent = sum(known) if known or not (sums or in_work) else None
        retried = retries(connection)
        left = to_come(calls, (count for count, _ in unfinished))
        more = to_come(costs, (cost for _, cost in unfinished))
        return RunStatus(
            run=run,
            at=now.isoformat(timespec="seconds"),
            owner=run_files.owner_of(self.folder),
            tasks=dict(states),
            in_work=in_work,
            spent_usd=spent,
            reserved_usd=reserved,
            budget_usd=budget,
            expected_usd=None if more is None or spent is None else spent + more,
            calls_a_minute=recent / minutes,
            tokens_a_minute=tokens / minutes,
            seconds_left=60 * left * minutes / recent if recent and left is not None else None,
            asked_again={f"{row['status']} ({row['model']})": row["times"] for row in retried},
            troubles=last_troubles(connection, tasks, retried),
        )

    def _sums_of(
        self, connection: sqlite3.Connection, ended: Sequence[dict[str, Any]]
    ) -> list[tuple[int, float | None]]:
        """Calls and cost of tasks that have ended."""
        query = "SELECT task, count(*), sum(cost_usd) FROM costs"
        new = [task for task in ended if self._ended.get(task["id"], ("",))[0] != task["ended_at"]]
        if len(new) > len(ended) // 2:
            found = connection.execute(f"{query} GROUP BY task").fetchall()
        else:
            of_one = f"{query} WHERE task = ?"
            found = [connection.execute(of_one, (task["id"],)).fetchone() for task in new]
        sums = {task: (calls, cost) for task, calls, cost in found}
        self._ended.update({t["id"]: (t["ended_at"], *sums.get(t["id"], (0, None))) for t in new})
        return [self._ended[task["id"]][1:] for task in ended]


def in_work_of(connection: sqlite3.Connection, running: Sequence[dict[str, Any]]) -> tuple[list[TaskInWork], float]:
    """Tasks in work, and US dollars reserved for what they have in flight."""
    found, reserved = [], 0.0
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
        found.append(
            TaskInWork(
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
    return found, reserved


def speed(connection: sqlite3.Connection, tasks: Sequence[dict[str, Any]], now: datetime) -> tuple[int, int, float]:
    """Calls answered and tokens of the last minutes, and how many minutes these are."""
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
    # Of a single moment nothing can be told, and a clock may have been set back.
    return calls, tokens, max(seconds, 1.0) / 60


def last_troubles(
    connection: sqlite3.Connection, tasks: Sequence[dict[str, Any]], retried: Sequence[dict[str, Any]]
) -> list[Trouble]:
    """What failed last, newest first: calls, executions and tasks."""
    found = [
        Trouble(row["ended_at"], f"{row['task']} {row['stage']}", row["text"] or "")
        for table, text in (("call_steps", "error"), ("execution_steps", "detail"))
        for row in rows(
            connection,
            f"SELECT ended_at, task, stage, {text} AS text FROM {table} WHERE state = 'failed' "
            f"ORDER BY ended_at DESC LIMIT {ERRORS}",
        )
    ]
    found += [Trouble(row["last_at"], f"{row['model']}, asked again ({row['times']})", row["last"]) for row in retried]
    found += [
        Trouble(task["ended_at"], f"{task['id']} {task['state']}", task["reason"])
        for task in tasks
        if task["ended_at"] and task["state"] != "predicted"
    ]
    return sorted(found, key=lambda trouble: trouble.at, reverse=True)[:ERRORS]


def to_come(ended: Sequence[float], unfinished: Iterable[float]) -> float | None:
    """What unfinished tasks, which have come to so much, will come to yet if they end like the others on average."""
    if not ended:
        return None
    mean = sum(ended) / len(ended)
    return sum(max(0.0, mean - so_far) for so_far in unfinished)

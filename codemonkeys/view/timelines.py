"""The steps of a task in the order of time: trajectories on a common axis, and the other conversations."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from codemonkeys.journal.queries import rows
from codemonkeys.report.task_view import outcome
from codemonkeys.stages import STAGES, TRAJECTORY, base_stage

WIDTH = 1_000
"""Of a timeline, in its own units."""
NARROWEST = 6.0


@dataclass(frozen=True)
class Step:
    """A model call, or an execution, of a conversation."""

    kind: str
    """`call` or `run`."""
    stage: str
    sample: int
    turn: int
    what: str
    seconds: float
    ended_at: str | None
    cost_usd: float | None


def steps_of(connection: sqlite3.Connection, task: str) -> list[Step]:
    """All calls and executions of a task, without their texts, in the order in which they ended."""
    calls = rows(
        connection,
        "SELECT c.stage, c.sample, c.turn, c.state, c.seconds, c.ended_at, k.cost_usd FROM call_steps c "
        "JOIN costs k ON k.id = c.id WHERE c.task = ? AND k.task = c.task AND c.state <> 'superseded' ORDER BY c.id",
        task,
    )
    ran = rows(
        connection,
        "SELECT stage, sample, turn, part, reason, exit_code, reused, seconds, ended_at FROM execution_steps "
        f"WHERE task = ? AND stage IN ({', '.join('?' * len(TRAJECTORY))}) AND state = 'done' ORDER BY id",
        *(task, *TRAJECTORY),
    )
    found = [
        Step("call", r["stage"], r["sample"], r["turn"], r["state"], r["seconds"] or 0.0, r["ended_at"], r["cost_usd"])
        for r in calls
    ]
    for r in ran:
        what = f"{r['part']}: {outcome_of(r)}"
        found.append(
            Step(
                "run", r["stage"], r["sample"], r["turn"], what, 0.0 if r["reused"] else r["seconds"], r["ended_at"], 0
            )
        )
    return sorted(found, key=lambda step: step.ended_at or "~")


def outcome_of(row: Mapping[str, Any]) -> str:
    """How an execution ended, in a word or two; only test scripts speak of the issue by their exit code."""
    if row["part"] not in ("original", "edited") and row["exit_code"] is not None:
        return f"exit {row['exit_code']}"
    return outcome(row["exit_code"], row["reason"]).plain


def cost_of_steps(steps: Sequence[Step]) -> float | None:
    """US dollars of some steps; None if a price is unknown."""
    return None if any(step.cost_usd is None for step in steps) else sum(step.cost_usd or 0.0 for step in steps)


def trajectories(steps: Sequence[Step], story: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line for each trajectory: its steps on a common axis of time, what it cost, and its candidate."""
    of_sample: dict[int, list[Step]] = {}
    for step in steps:
        if step.stage in TRAJECTORY:
            of_sample.setdefault(step.sample, []).append(step)
    ends = [moment(step.ended_at) for group in of_sample.values() for step in group if step.ended_at]
    starts = [moment(step.ended_at) - step.seconds for group in of_sample.values() for step in group if step.ended_at]
    begin, span = (min(starts), max(max(ends) - min(starts), 1e-3)) if starts else (0.0, 1.0)
    candidates = {candidate["sample"]: candidate for candidate in story["candidates"]}
    return [
        {
            "sample": sample + 1,
            "bars": [bar(step, begin, span) for step in group if step.ended_at],
            "calls": sum(step.kind == "call" for step in group),
            "runs": sum(step.kind == "run" for step in group),
            "cost_usd": cost_of_steps(group),
            "seconds": sum(step.seconds for step in group),
            "candidate": candidates[sample]["number"] if sample in candidates else None,
            "source": candidates[sample].get("source", "") if sample in candidates else "",
        }
        for sample, group in sorted(of_sample.items())
    ]


def bar(step: Step, begin: float, span: float) -> dict[str, Any]:
    """A step of a timeline: where it begins and how wide it is, and what it was in words."""
    end = (moment(step.ended_at) - begin) / span * WIDTH
    width = max(step.seconds / span * WIDTH, NARROWEST)
    words = f"{step.stage} turn {step.turn + 1}, {'call' if step.kind == 'call' else step.what}"
    start = min(max(end - width, 0.0), WIDTH - NARROWEST)
    return {"x": round(start, 1), "width": round(width, 1), "kind": f"{step.kind} {step.stage}", "words": words}


def moment(text: str | None) -> float:
    """Seconds since the epoch of a moment as the journal has it."""
    return datetime.fromisoformat(text).timestamp() if text else 0.0


def conversations(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """A line for each conversation that is no trajectory: rankings, judges, selection; relevance as a whole."""
    groups: dict[tuple[str, int], list[Step]] = {}
    for step in steps:
        if step.kind == "call" and step.stage not in TRAJECTORY:
            groups.setdefault((step.stage, step.sample), []).append(step)
    order = list(STAGES)
    found = [
        {
            "stage": stage,
            "chooses": STAGES[base_stage(stage)].phase == "selection",
            "sample": sample + 1,
            "calls": len(group),
            "cost_usd": cost_of_steps(group),
            "seconds": sum(step.seconds for step in group),
        }
        for (stage, sample), group in groups.items()
    ]
    return sorted(found, key=lambda row: (order.index(base_stage(row["stage"])), row["stage"], row["sample"]))

"""Evidence of one task: collected while it is solved, or read from the journal; both give the same."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from codemonkeys.engine.scripts import ISSUE_FIXED, ISSUE_PRESENT
from codemonkeys.engine.work import Work
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.flags import runner_flags
from codemonkeys.journal import queries, texts
from codemonkeys.journal.queries import rows
from codemonkeys.selection.controls import control_votes, decided_without
from codemonkeys.selection.evidence import Evidence, Match, ScriptOutcome
from codemonkeys.selection.regression import Regressions, run_regressions
from codemonkeys.selection.votes import Matrix, number_candidates, vote
from sandboxes.base import Reason

T = TypeVar("T")

BY_SAMPLES = "by samples"
"""Stored with a judge's beliefs where shares of candidates are shares of samples."""


@dataclass(frozen=True)
class SelectionInput:
    """Evidence about a task's candidates, with the executions behind it."""

    evidence: Evidence
    matrix: Matrix
    regressions: Regressions
    flags: Mapping[int, tuple[str, ...]] = field(default_factory=dict[int, tuple[str, ...]])
    """By number of a candidate, what it touches that decides how tests run."""


async def collect_evidence(
    work: Work, candidates: Sequence[Candidate], tests: Sequence[str] = (), before: Sequence[str] = ()
) -> SelectionInput:
    """Run every test script and the regression tests on every distinct candidate, and record the results.

    `tests`: scripts in addition to the candidates' own. May be called again with more candidates: executions that were
    made before are read from the journal. `before`: the scripts of the last such call, which keep their places; needed
    if that had scripts in addition.
    """
    distinct, classes = await number_candidates(work, candidates)
    scripts = tuple(dict.fromkeys([*before, *(c.test for c in candidates if c.test), *tests]))
    matrix = await vote(work, distinct, scripts)
    flags: dict[int, tuple[str, ...]] = {}
    if not decided_without(work, matrix):
        matrix = await control_votes(work, matrix)
        flags = {n.number: runner_flags(n.candidate.patch) for n in distinct}
    regressions = await run_regressions(work, distinct) if len(distinct) > 1 else Regressions()
    broken = dict(zip((numbered.number for numbered in distinct), regressions.broken, strict=False))
    breaks = {n: (None, "") if b is None else (float(len(b)), json.dumps(b)) for n, b in broken.items()}
    ran = {0: (float(len(regressions.tests)), "")} if broken else {}
    await work.signals({"regression tests": ran, "breaks": breaks})
    row_of = {numbered.number - 1: row for row, numbered in enumerate(matrix.candidates)}
    edited = [
        tuple(outcome_of(e.reason, e.exit_code, numbered.number not in matrix.untrusted) for e in row)
        for numbered, row in zip(matrix.candidates, matrix.edited, strict=True)
    ]
    evidence = Evidence(
        task=work.task.id,
        patches=tuple(c.patch for c in candidates),
        classes=classes,
        sources=unless_empty(c.source for c in candidates),
        families=unless_empty(c.family for c in candidates),
        original=tuple(outcome_of(e.reason, e.exit_code) for e in matrix.original),
        edited=tuple(edited[row_of[first]] for first in classes),
        own=tuple(scripts.index(c.test) if c.test else None for c in candidates),
        approved=tuple(c.approved for c in candidates),
        regressions=len(regressions.tests),
        breaks=expand_classes(classes, {number: None if b is None else len(b) for number, b in broken.items()}),
    )
    return SelectionInput(evidence, matrix, regressions, flags)


def outcome_of(reason: str, exit_code: int | None, trusted: bool = True) -> ScriptOutcome:
    """Outcome of an execution of a test script. `trusted`: the candidate failed no control."""
    if reason == Reason.PATCH_FAILED:
        return ScriptOutcome.NOT_APPLIED
    if reason == Reason.EXITED and exit_code == ISSUE_FIXED:
        return ScriptOutcome.FIXED if trusted else ScriptOutcome.UNTRUSTED
    if reason == Reason.EXITED and exit_code == ISSUE_PRESENT:
        return ScriptOutcome.PRESENT
    return ScriptOutcome.BROKEN


def stored_evidence(connection: sqlite3.Connection, task: str, choice: str = "") -> Evidence | None:
    """The evidence of a task from a run's journal; None if it is missing or incomplete.

    `choice`: a named choice, whose judges count in place of the run's.
    """
    candidates = rows(connection, "SELECT * FROM candidates WHERE task = ? ORDER BY number", task)
    classes = tuple((c["duplicate_of"] or c["number"]) - 1 for c in candidates)
    ran = "SELECT sample, turn, script_hash, reason, exit_code FROM execution_steps WHERE task = ? AND stage = 'votes' "
    original = rows(connection, ran + "AND part = 'original' AND state = 'done' ORDER BY turn", task)
    untrusted = {number for number, passed in queries.controls(connection, task).items() if not passed}
    edited: dict[int, dict[int, ScriptOutcome]] = {}
    for row in rows(connection, ran + "AND part = 'edited' AND state = 'done'", task):
        result = outcome_of(row["reason"], row["exit_code"], row["sample"] not in untrusted)
        edited.setdefault(row["sample"] - 1, {})[row["turn"]] = result
    turns = [row["turn"] for row in original]
    if not candidates or any(turn not in edited.get(first, {}) for first in classes for turn in turns):
        return None
    test_of = {row["script_hash"]: number for number, row in enumerate(original)}
    signals: dict[str, dict[int, float | None]] = {}
    found = queries.signals(connection, task, choice)
    for row in found:
        signals.setdefault(row["kind"], {})[row["number"]] = row["value"]
    breaks = {n: None if value is None else int(value) for n, value in signals.get("breaks", {}).items()}
    chosen = {
        kind: tuple(None if value is None else int(value) - 1 for value in signals.get(kind, {}).values())
        for kind in ("ballot", "conversation")
    }
    return Evidence(
        task=task,
        patches=tuple(texts.get(connection, c["patch_hash"]) for c in candidates),
        classes=classes,
        sources=unless_empty(c.get("source", "") for c in candidates),
        families=unless_empty(c.get("family", "") for c in candidates),
        original=tuple(outcome_of(row["reason"], row["exit_code"]) for row in original),
        edited=tuple(tuple(edited[first][turn] for turn in turns) if turns else () for first in classes),
        own=tuple(test_of.get(c["test_hash"]) if c["test_hash"] else None for c in candidates),
        approved=tuple(bool(c["approved"]) for c in candidates),
        regressions=int(signals.get("regression tests", {}).get(0) or 0),
        breaks=expand_classes(classes, breaks),
        scores=expand_classes(classes, signals.get("belief", {})),
        by_samples=all(row["detail"] == BY_SAMPLES for row in found if row["kind"] == "belief"),
        ballots=chosen["ballot"],
        conversation=chosen["conversation"],
        matches=tuple(match_of(row["value"], json.loads(row["detail"])) for row in found if row["kind"] == "match"),
    )


def match_of(winner: float, detail: dict[str, Any]) -> Match:
    """A match from its signal, which has numbers of candidates in place of positions."""
    votes = tuple(None if vote is None else vote - 1 for vote in detail["votes"])
    group = tuple(number - 1 for number in detail["candidates"])
    return Match(detail["round"], group, votes, int(winner) - 1, detail["whole"])


def unless_empty(names: Iterable[str]) -> tuple[str, ...]:
    """The names, one per candidate; an empty tuple if all are empty."""
    found = tuple(names)
    return found if any(found) else ()


def expand_classes(classes: Sequence[int], by_number: Mapping[int, T | None]) -> tuple[T | None, ...]:
    """Expand values of distinct candidates, by number, to all candidates of their classes; empty without any value."""
    return tuple(by_number.get(first + 1) for first in classes) if by_number else ()

"""Votes: every distinct test script on every distinct candidate and on the unedited code. Paper, section 2.3."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from codemonkeys.engine.scripts import ISSUE_FIXED, ISSUE_PRESENT
from codemonkeys.engine.work import Work
from codemonkeys.generation.candidate import Candidate
from codemonkeys.journal.store import Journal
from codemonkeys.selection.equivalence import classes
from codemonkeys.stages import VOTES
from sandboxes.base import Execution, Reason


@dataclass(frozen=True)
class NumberedCandidate:
    """A distinct candidate, the first of its equivalence class, with the number that identifies it from here on."""

    number: int
    candidate: Candidate


@dataclass(frozen=True)
class Matrix:
    """Results of every test script on the unedited code and on every distinct candidate."""

    candidates: tuple[NumberedCandidate, ...]
    tests: tuple[str, ...]
    original: tuple[Execution, ...]
    """By test."""
    edited: tuple[tuple[Execution, ...], ...]
    """By candidate, then by test."""
    untrusted: frozenset[int] = frozenset()
    """Numbers of the candidates that failed a control: they have no votes."""

    def valid(self, test: int) -> bool:
        """Whether a test may vote: it must reproduce the issue on the unedited code (the paper counts every test)."""
        return exited(self.original[test], ISSUE_PRESENT)

    def votes(self, position: int) -> int:
        """Number of valid tests that pass on the candidate at a position."""
        if self.candidates[position].number in self.untrusted:
            return 0
        results = self.edited[position]
        return sum(self.valid(t) and exited(result, ISSUE_FIXED) for t, result in enumerate(results))

    def best(self, count: int) -> list[int]:
        """Positions of the candidates with the most votes, best first; ties: shorter patch, then earlier."""
        key = [(-self.votes(p), len(c.candidate.patch), c.number) for p, c in enumerate(self.candidates)]
        return sorted(range(len(key)), key=key.__getitem__)[:count]


def exited(execution: Execution, code: int) -> bool:
    """Whether a script exited on its own with the given code."""
    return execution.reason is Reason.EXITED and execution.exit_code == code


async def number_candidates(
    work: Work, candidates: Sequence[Candidate]
) -> tuple[list[NumberedCandidate], tuple[int, ...]]:
    """Number the candidates from 1 in sample order and record them.

    Returns the first candidate of each equivalence class, and for every candidate the position of its class's first.
    """
    groups = await work.in_thread(classes, work.snapshot, [c.patch for c in candidates], prose=work.is_begun_by_older)
    first_of = {position: group[0] for group in groups for position in group}
    class_of = tuple(first_of[position] for position in range(len(candidates)))
    await work.journal.group_commit(lambda: record_candidates(work.journal, work.task.id, candidates, class_of))
    distinct = [NumberedCandidate(group[0] + 1, candidates[group[0]]) for group in groups]
    return distinct, class_of


def record_candidates(journal: Journal, task: str, candidates: Sequence[Candidate], class_of: Sequence[int]) -> None:
    """Record numbered candidates; `class_of`: for each, the position of the first of its class."""
    rows = [
        (n + 1, c.sample, c.patch, c.test, c.approved, None if first == n else first + 1, c.source, c.family)
        for n, (c, first) in enumerate(zip(candidates, class_of, strict=True))
    ]
    journal.put_candidates(task, rows)


async def vote(work: Work, distinct: Sequence[NumberedCandidate], tests: Sequence[str]) -> Matrix:
    """Run every test script (no duplicates) on the unedited code and on every distinct candidate."""

    async def on_original(test: int) -> Execution:
        return await work.run(VOTES, 0, test, "original", tests[test])

    async def on_candidate(numbered: NumberedCandidate, test: int) -> Execution:
        return await work.run(VOTES, numbered.number, test, "edited", tests[test], numbered.candidate.patch)

    async with asyncio.TaskGroup() as group:
        original = [group.create_task(on_original(t)) for t in range(len(tests))]
        edited = [[group.create_task(on_candidate(c, t)) for t in range(len(tests))] for c in distinct]
    return Matrix(
        tuple(distinct),
        tuple(tests),
        tuple(task.result() for task in original),
        tuple(tuple(task.result() for task in row) for row in edited),
    )

"""The selection conversation: a valid choice is taken, anything else falls back to the votes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from codemonkeys.errors import BudgetReached
from codemonkeys.generation.candidate import Candidate
from codemonkeys.models.base import Request
from codemonkeys.selection.conversation import choose
from codemonkeys.selection.votes import Matrix, Numbered
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason
from tests.rooms import MARKER, room

PATCH = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = 1\n+x = {}\n"
TEST = f"<<<<<<< TEST {MARKER}\nprint()\n>>>>>>> END {MARKER}"


def exits(code: int) -> Execution:
    return Execution(Reason.EXITED, code)


def matrix(votes: list[int]) -> Matrix:
    """Candidates 1, 2, ... with so many votes of four valid tests."""
    candidates = tuple(Numbered(n, Candidate(n - 1, PATCH.format(n), "test", True)) for n in range(1, len(votes) + 1))
    rows = tuple(tuple(exits(0 if t < count else 2) for t in range(4)) for count in votes)
    return Matrix(candidates, ("test", "t1", "t2", "t3"), (exits(2),) * 4, rows)


def chooses(number: int) -> str:
    return f"<<<<<<< CHOOSE {MARKER} {number}"


@pytest.mark.parametrize(
    ("answers", "number"),
    [
        ([TEST, chooses(2)], 2),
        ([chooses(4), chooses(2)], 2),
        ([chooses(9), chooses(9)], 3),
        ([TEST, TEST], 3),
        (["rubbish", ""], 3),
    ],
)
def test_choice(tmp_path: Path, make_snapshot: Callable[..., Snapshot], answers: list[str], number: int) -> None:
    """Candidate 4 has too few votes to be among the finalists, so it cannot be chosen."""
    turns = len(answers)
    snapshot = make_snapshot({"a.py": "x = 1\n"})
    with room(tmp_path, snapshot, lambda r: answers[r.key.turn], selection={"turns": turns}) as work:
        choice = asyncio.run(choose(work, matrix([2, 1, 3, 0])))
        assert choice.number == number
        assert choice.patch == PATCH.format(number)


def test_only_candidate_and_no_turns_need_no_model(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    def never(request: Request) -> str:
        raise AssertionError("asked a model")

    with room(tmp_path, make_snapshot({"a.py": "x = 1\n"}), never, selection={"turns": 0}) as work:
        assert asyncio.run(choose(work, matrix([0]))).number == 1
        assert asyncio.run(choose(work, matrix([0, 2]))).number == 2


def test_budget_in_the_middle_ends_with_the_votes(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    def dear(request: Request) -> str:
        raise BudgetReached("no money left")

    with room(tmp_path, make_snapshot({"a.py": "x = 1\n"}), dear) as work:
        choice = asyncio.run(choose(work, matrix([1, 2])))
        assert choice.number == 2 and "no money left" in choice.reason


def test_distinguishing_test_runs_on_the_unedited_code_and_every_finalist(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    answers = [TEST, chooses(1)]
    with room(tmp_path, make_snapshot({"a.py": "x = 1\n"}), lambda r: answers[r.key.turn]) as work:
        asyncio.run(choose(work, matrix([2, 1, 3, 0])))
        runs = work.steps.sandbox.runs  # type: ignore[attr-defined]
        assert sorted(runs, key=str) == sorted(
            [("print()\n", None), *(("print()\n", PATCH.format(n)) for n in (1, 2, 3))], key=str
        )
        system = work.steps.primary.requests[0].messages[0].content  # type: ignore[attr-defined]
        assert "x = 1" in system and "Candidate 3" in system and "Candidate 4" not in system

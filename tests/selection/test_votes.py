"""Votes: a test that proves nothing has none; ties and duplicates are settled the same way every time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.generation.candidate import Candidate
from codemonkeys.journal import queries, run_files
from codemonkeys.selection.votes import Matrix, Numbered, number_candidates, vote
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason
from tests.fakes import TASK
from tests.rooms import room


def exits(code: int) -> Execution:
    return Execution(Reason.EXITED, code)


def matrix(original: list[int], edited: list[list[int]], patches: list[str]) -> Matrix:
    candidates = tuple(Numbered(n, Candidate(n - 1, patch, "", True)) for n, patch in enumerate(patches, start=1))
    rows = tuple(tuple(exits(code) for code in row) for row in edited)
    return Matrix(candidates, tuple(map(str, range(len(original)))), tuple(map(exits, original)), rows)


def test_only_tests_that_found_the_issue_vote() -> None:
    seen = matrix([2, 0, 1, 2], [[0, 0, 0, 0], [0, 0, 0, 2]], ["aa", "a"])
    assert [seen.votes(0), seen.votes(1)] == [2, 1]
    assert seen.best(3) == [0, 1]


def test_ties_go_to_the_shorter_patch_then_the_earlier() -> None:
    assert matrix([2], [[0], [0], [0]], ["aaa", "a", "b"]).best(2) == [1, 2]


def test_a_timeout_or_a_patch_that_does_not_apply_is_no_vote() -> None:
    for reason in Reason:
        if reason is not Reason.EXITED:
            seen = Matrix(
                (Numbered(1, Candidate(0, "p", "", True)),), ("t",), (exits(2),), ((Execution(reason, output="0"),),)
            )
            assert seen.votes(0) == 0


CODES = st.integers(0, 2)


@given(st.integers(1, 4).flatmap(lambda n: st.tuples(st.lists(CODES, min_size=n, max_size=n), st.integers(1, 4))))
def test_a_candidate_that_fixes_nothing_more_never_wins(shape: tuple[list[int], int]) -> None:
    original, count = shape
    edited = [[0] * len(original)] + [[2] * len(original)] * count
    seen = matrix(original, edited, ["long patch"] + ["p"] * count)
    if any(code == 2 for code in original):
        assert seen.best(1) == [0]


def test_matrix_runs_every_distinct_test_on_every_distinct_candidate(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    from codemonkeys.generation.answers import parse_answer
    from codemonkeys.generation.edits import apply_edits
    from codemonkeys.generation.patch import make_patch

    snapshot = make_snapshot({"a.py": "x = 1\n"})

    def patch(line: str) -> str:
        block = f"<<<<<<< SEARCH beef01 a.py\nx = 1\n======= beef01\n{line}\n>>>>>>> END beef01"
        return make_patch(snapshot, apply_edits(snapshot, parse_answer(block, "beef01").edits))

    candidates = [
        Candidate(0, patch("x = 2"), "test one", True),
        Candidate(2, patch("x  =  2  # the same"), "test two", False),
        Candidate(3, patch("x = 3"), "test one", True),
        Candidate(4, patch("x = 4"), "", True),
    ]

    def run(script: str, patch: str | None) -> Execution:
        if patch is None:
            return exits(2 if script == "test one" else 0)
        return exits(0 if "x = 3" in patch else 2)

    with room(tmp_path, snapshot, lambda request: "", run) as work:
        distinct, classes = asyncio.run(number_candidates(work, candidates))
        seen = asyncio.run(vote(work, distinct, ["test one", "test two"]))
        assert classes == (0, 0, 2, 3)
        assert [c.number for c in seen.candidates] == [1, 3, 4]
        assert seen.tests == ("test one", "test two")
        assert [seen.votes(p) for p in range(3)] == [0, 1, 0]
        with run_files.reading(work.steps.journal.folder / "run.db") as connection:
            stored = queries.rows(connection, "SELECT candidate, test, valid, vote FROM votes ORDER BY candidate, test")
            story = queries.task_story(connection, TASK.id)
        assert [(r["candidate"], r["test"], r["vote"]) for r in stored if r["vote"]] == [(3, 0, 1)]
        assert {r["test"] for r in stored if r["valid"]} == {0}
        assert len(stored) == 6
        assert [c["duplicate_of"] for c in story["candidates"]] == [None, 1, None, None]

"""Tournaments: winners go on, a place or a number decides nothing, little evidence comes before all of it."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.errors import BudgetReached
from codemonkeys.generation.candidate import Candidate
from codemonkeys.journal import run_files
from codemonkeys.models.base import Request
from codemonkeys.selection.collect_evidence import collect_evidence, stored_evidence
from codemonkeys.selection.deciding import Choice, decide
from codemonkeys.selection.evidence import Evidence, Match
from codemonkeys.selection.tournament import grouped, is_decided, most_matches
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason
from tests.fakes import TASK
from tests.rooms import MARKER, room

PATCH = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = 1\n+x = {}\n"
FILES: dict[str, str | bytes] = {"a.py": "x = 1\n"}
Judge = Callable[[list[int], int], int]
"""The place that is chosen, given the candidates' numbers in the order shown and the number of the vote."""


def runs(script: str, patch: str | None) -> Execution:
    """The test script of each candidate calls it and all before it fixed, so that they are ranked as they come."""
    number = int(patch.rpartition("= ")[2]) if patch else 99
    return Execution(Reason.EXITED, 0 if script.isdigit() and number <= int(script) else 2, output=f"{number}")


def places(request: Request) -> list[int]:
    return [int(number) for number in re.findall(r"^\+x = (\d+)$", request.messages[-1].content, re.M)]


def held(
    tmp_path: Path, snapshot: Snapshot, count: int, judge: Judge, **selection: Any
) -> tuple[Choice, Evidence, list[Request]]:
    """The choice among so many candidates, the evidence as the journal has it, and all requests."""

    def answer(request: Request) -> str:
        if request.key.stage != "tournament":
            return f"<<<<<<< CHOOSE {MARKER} {re.findall(r'Candidate ([0-9]+), for', request.messages[0].content)[-1]}"
        place = judge(places(request), request.key.turn)
        return f"I think so.\n\n<<<<<<< CHOOSE {MARKER} {place}" if place >= 0 else "None is any good."

    selection = {"rule": "tournament", "regression_files": 0, "shortlist": "votes", **selection}
    with room(tmp_path, snapshot, answer, runs, selection=selection) as work:

        async def all_of_it() -> Choice:
            made = [Candidate(n - 1, PATCH.format(n), str(n), True) for n in range(1, count + 1)]
            return await decide(work, await collect_evidence(work, made))

        choice = asyncio.run(all_of_it())
        with run_files.reading(work.steps.journal.folder / "run.db") as connection:
            evidence = stored_evidence(connection, TASK.id)
        assert evidence is not None
        return choice, evidence, list(work.models.primary.requests)  # type: ignore[attr-defined]


def largest(shown: list[int], vote: int) -> int:
    return shown.index(max(shown)) + 1


def never(shown: list[int], vote: int) -> int:
    raise AssertionError("asked a model")


@pytest.mark.parametrize(("count", "size"), [(2, 2), (5, 2), (7, 3)])
def test_the_best_wins_wherever_it_is_ranked_and_nothing_is_asked_again(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], count: int, size: int
) -> None:
    snapshot = make_snapshot(FILES)
    choice, evidence, requests = held(tmp_path, snapshot, count, largest, match_size=size)
    assert choice.number == count and "with at least 2 of 2 votes" in choice.reason
    assert len(evidence.matches) == most_matches(count, size) and len(requests) == 2 * len(evidence.matches)
    assert all(not match.whole and len(match.candidates) <= size for match in evidence.matches)
    assert {request.key.stage for request in requests} == {"tournament"}
    again, same, asked = held(tmp_path, snapshot, count, never, match_size=size)
    assert (again, same, asked) == (choice, evidence, [])


def test_whoever_prefers_a_place_comes_to_a_tie_and_the_tests_decide(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    seen: dict[int, Counter[int]] = {}

    def first(shown: list[int], vote: int) -> int:
        for place, number in enumerate(shown):
            seen.setdefault(number, Counter())[place] += 1
        return 1

    choice, evidence, requests = held(tmp_path, make_snapshot(FILES), 4, first)
    assert choice.number == 1 and evidence.matches[-1].whole
    assert len(requests) == 3 * (2 + 4)
    assert all(counts[0] == counts[1] for counts in seen.values())
    assert {match.votes.count(match.winner) for match in evidence.matches} == {2}


def test_more_evidence_comes_only_where_the_first_votes_disagree_and_ends_early(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    choice, evidence, requests = held(
        *(tmp_path, make_snapshot(FILES), 2, lambda shown, vote: 1 if vote < 2 else largest(shown, vote))
    )
    assert choice.number == 2 and evidence.matches == (Match(1, (0, 1), (1, 1, 1), 1, whole=True),)
    brief, whole = [r for r in requests if r.key.turn < 2], [r for r in requests if r.key.turn >= 2]
    assert len(brief) == 2 and len(whole) == 3, "no vote that was left could have changed it"
    assert {r.messages[0].content for r in brief} != {r.messages[0].content for r in whole}
    for request in requests:
        system, told = request.messages[0].content, request.messages[-1].content
        assert ("x = 1" in system) == ("Script 1" in told) == (request in whole)
        shown, fails = places(request), dict(re.findall(r"^- Candidate (\d): (.*)$", told, re.M))
        assert fails == {str(shown.index(1) + 1): "no script", str(shown.index(2) + 1): "script 1"}
    results = {tuple(re.findall(r"^On candidate (\d): (.*)$", r.messages[-1].content, re.M)) for r in whole}
    assert len(results) == 2, "the results stand under the numbers of the places too"


def test_unusable_votes_and_votes_for_none_are_for_nobody(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    choice, evidence, requests = held(tmp_path, make_snapshot(FILES), 2, lambda shown, vote: (-1, 0, 9, 0, 2, -1)[vote])
    assert len(requests) == 6 and evidence.matches[0].votes.count(None) == 3
    assert choice.number == places(requests[4])[1]


def test_one_candidate_and_no_money(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    snapshot = make_snapshot(FILES)
    choice, evidence, requests = held(tmp_path / "one", snapshot, 1, never)
    assert (choice.number, evidence.matches, requests) == (1, (), [])

    def dear(shown: list[int], vote: int) -> int:
        raise BudgetReached("no money left")

    choice, evidence, _ = held(tmp_path / "none", snapshot, 3, dear)
    assert choice.number == 1 and "no money left" in choice.reason and evidence.matches == ()


def test_it_gives_the_shortlist_to_the_conversation(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    """Of six candidates the last three are the best; without money the tests would have shortlisted the first."""
    settings = {"rule": "conversation", "shortlist": "tournament", "candidates": 3}
    choice, evidence, requests = held(tmp_path, make_snapshot(FILES), 6, largest, **settings)
    assert len(evidence.matches) == 3 and {match.round for match in evidence.matches} == {1}
    asked = [request for request in requests if request.key.stage == "select"]
    assert len(asked) == 1
    assert set(map(int, re.findall(r"Candidate (\d), for", asked[0].messages[0].content))) == {4, 5, 6}
    assert choice.number in {4, 5, 6} and evidence.conversation == ((choice.number or 0) - 1,)
    votes = {"rule": "votes", "shortlist": "tournament"}
    assert held(tmp_path / "votes", make_snapshot(FILES, "again"), 6, never, **votes)[0].number == 1


@given(st.integers(1, 40), st.integers(2, 5), st.integers(1, 4))
def test_groups_hold_everybody_once_and_rounds_end(players: int, size: int, until: int) -> None:
    groups = grouped(range(players), size)
    assert sorted(index for group in groups for index in group) == list(range(players))
    assert all(1 <= len(group) <= size for group in groups)
    assert all(len(group) > 1 for group in groups) or [0] in groups
    assert most_matches(players, 2) == players - 1
    assert most_matches(players, size, until) <= players - 1
    assert players > until or most_matches(players, size, until) == 0


@given(st.lists(st.sampled_from([0, 1, None]), max_size=6), st.integers(0, 6))
def test_votes_end_only_where_the_rest_changes_nothing(votes: list[int | None], left: int) -> None:
    if is_decided(votes, len(votes) + left):
        ahead = max((0, 1), key=votes.count)
        rest = [*votes, *[1 - ahead] * left]
        assert rest.count(ahead) > rest.count(1 - ahead)

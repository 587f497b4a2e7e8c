"""The selection conversation: a valid choice is taken, anything else falls back to the votes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.engine.work import Work
from codemonkeys.errors import BudgetReached
from codemonkeys.generation.candidate import Candidate
from codemonkeys.journal import queries, run_files
from codemonkeys.models.base import Request
from codemonkeys.prompting import Prompts
from codemonkeys.selection.asking import judge_candidates, vote_by_ballots
from codemonkeys.selection.collect_evidence import SelectionInput, collect_evidence, stored_evidence
from codemonkeys.selection.conversation import touched_files
from codemonkeys.selection.deciding import Choice, add_conversation, decide
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason
from tests.fakes import TASK
from tests.rooms import MARKER, room

PATCH = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = 1\n+x = {}\n"
TEST = f"<<<<<<< TEST {MARKER}\nprint()\n>>>>>>> END {MARKER}"
SNAPSHOT: dict[str, str | bytes] = {"a.py": "x = 1\n"}


def runs(script: str, patch: str | None) -> Execution:
    """The test script 1100 says of candidates 1 and 2 that they fix the issue, of 3 and 4 that they do not."""
    number = int(patch.rpartition("= ")[2]) if patch else 0
    return Execution(Reason.EXITED, 0 if patch and script.isdigit() and script[number - 1] == "1" else 2)


async def make_inputs(work: Work, votes: list[int]) -> SelectionInput:
    """Candidates 1, 2, ... with so many votes of test scripts that all are valid."""
    scripts = ["".join("1" if test < count else "0" for count in votes) for test in range(max(votes))]
    made = [Candidate(n - 1, PATCH.format(n), "", True) for n in range(1, len(votes) + 1)]
    return await collect_evidence(work, made, scripts)


def chooses(number: int) -> str:
    return f"<<<<<<< CHOOSE {MARKER} {number}"


def decided(
    tmp_path: Path, snapshot: Snapshot, votes: list[int], answer: Callable[[Request], str], **selection: Any
) -> tuple[Choice, Work]:
    with room(tmp_path, snapshot, answer, runs, selection={"regression_files": 0, **selection}) as work:

        async def all_of_it() -> Choice:
            return await decide(work, await make_inputs(work, votes))

        choice = asyncio.run(all_of_it())
        with run_files.reading(work.steps.journal.folder / "run.db") as connection:
            work.stored = stored_evidence(connection, TASK.id)  # type: ignore[attr-defined]
        return choice, work


@pytest.mark.parametrize(
    ("answers", "number"),
    [
        ([TEST, chooses(2)], 2),
        ([chooses(4), chooses(2)], 2),
        ([chooses(9), chooses(9)], 3),
        ([chooses(0), chooses(0)], 3),
        ([TEST, TEST], 3),
        (["rubbish", ""], 3),
    ],
)
@pytest.mark.slow
def test_choice(tmp_path: Path, make_snapshot: Callable[..., Snapshot], answers: list[str], number: int) -> None:
    """Candidate 4 has too few votes to be among the finalists, so it cannot be chosen; nor can none of them."""
    choice, work = decided(
        tmp_path, make_snapshot(SNAPSHOT), [2, 1, 3, 0], lambda r: answers[r.key.turn], turns=len(answers)
    )
    assert choice.number == number
    assert choice.patch == PATCH.format(number)
    chosen = number - 1 if "chosen in the selection conversation" in choice.reason else None
    assert work.stored.conversation == (chosen,)  # type: ignore[attr-defined]


@pytest.mark.parametrize("older", [True, False])
def test_prose_beside_code_is_not_shown_whole(
    older: bool, tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    news = PATCH.format(1).replace("a.py", "CHANGES.rst")
    with room(tmp_path, make_snapshot(SNAPSHOT | {"CHANGES.rst": "x = 1\n"}), lambda request: "") as work:
        work.journal.is_begun_by_older = older
        shown = ["a.py", "CHANGES.rst"] if older else ["a.py"]
        assert [file.path for file in touched_files(work, [PATCH.format(1) + news])] == shown
        assert [file.path for file in touched_files(work, [news])] == ["CHANGES.rst"]


def test_only_candidate_and_no_turns_need_no_model(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    def never(request: Request) -> str:
        raise AssertionError("asked a model")

    snapshot = make_snapshot(SNAPSHOT)
    assert decided(tmp_path / "one", snapshot, [1], never)[0].number == 1
    choice, work = decided(tmp_path / "none", snapshot, [0, 2], never, turns=0)
    assert choice.number == 2
    assert work.stored.conversation == ()  # type: ignore[attr-defined]


def test_budget_in_the_middle_ends_with_the_votes(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    def dear(request: Request) -> str:
        raise BudgetReached("no money left")

    for rule in ("conversation", "judge", "ballots", "tournament"):
        choice, _ = decided(tmp_path / rule, make_snapshot(SNAPSHOT, rule), [1, 2], dear, rule=rule)
        assert choice.number == 2 and "no money left" in choice.reason


def test_distinguishing_test_runs_on_the_unedited_code_and_every_finalist(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    answers = [TEST, chooses(1)]
    _, work = decided(tmp_path, make_snapshot(SNAPSHOT), [2, 1, 3, 0], lambda r: answers[r.key.turn])
    seen = [run for run in work.steps.sandbox.runs if run[0] == "print()\n"]  # type: ignore[attr-defined]
    assert sorted(seen, key=str) == sorted(
        [("print()\n", None), *(("print()\n", PATCH.format(n)) for n in (1, 2, 3))], key=str
    )
    system = work.models.primary.requests[0].messages[0].content  # type: ignore[attr-defined]
    assert "x = 1" in system and "Candidate 3" in system and "Candidate 4" not in system
    assert "none of them resolves" not in system and "tests of the repository" not in system


def shown(
    tmp_path: Path,
    snapshot: Snapshot,
    older: bool = False,
    own: tuple[str, ...] = ("11", "01", "10"),
    tokens: int = 12_000,
    rule: str = "conversation",
) -> list[tuple[str, str]]:
    """The first two messages of each conversation about two candidates with these scripts, shown as 2, 1."""

    def printing(script: str, patch: str | None) -> Execution:
        return replace(runs(script, patch), output=f"{script} prints {patch[-2:].strip() if patch else 0}")

    selection = {"regression_files": 0, "rule": rule, "evidence_tokens": tokens, "turns": 1, "ballots": 3}
    with room(tmp_path, snapshot, lambda request: chooses(1), printing, selection=selection) as work:
        if older:
            work.prompts = Prompts(MARKER, None, {"repo": TASK.repo, "issue": TASK.issue}, older=True)
            work.journal.is_begun_by_older = True
        made = [Candidate(n, PATCH.format(n % 2 + 1), test, True) for n, test in enumerate(own)]

        async def all_of_it() -> None:
            inputs = await collect_evidence(work, made)
            finalists = [1, 0]
            if rule == "ballots":
                await vote_by_ballots(work, inputs, finalists)
            else:
                await add_conversation(work, inputs, finalists)

        asyncio.run(all_of_it())
        requests = work.models.primary.requests  # type: ignore[attr-defined]
        return [(r.messages[0].content, r.messages[1].content) for r in requests]


def test_a_conversation_begins_with_the_evidence_that_decides(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    """Script 11 says fixed of both, 01 of candidate 2 only, 10 of candidate 1 only."""
    snapshot = make_snapshot(SNAPSHOT)
    ((system, user),) = shown(tmp_path / "all", snapshot)
    assert "- Candidate 1: script 2\n- Candidate 2: script 3\n" in user
    assert user.index("Script 2:") < user.index("Script 3,") < user.index("Script 1:")
    for candidate, script in ((1, "10"), (2, "10"), (2, "11")):
        assert f"{script} prints {candidate}" in user
    ((system, user),) = shown(tmp_path / "none", snapshot, tokens=0)
    assert "- Candidate 1: script 2\n" in user and "prints" not in user
    assert "is not shown: scripts 1, 2, 3." in user


def test_the_example_was_not_written_with_the_candidate_shown_first(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    """Candidate 2 comes first in the conversation; in ballots that changes."""
    snapshot = make_snapshot(SNAPSHOT)

    def example(system: str) -> str:
        return system.partition("An example of a test script:")[2].partition("<test")[2].split("\n")[1]

    ((system, user),) = shown(tmp_path / "talk", snapshot)
    assert example(system) == "10" and "Script 3, the example above:" in user
    for system, _ in shown(tmp_path / "ballots", snapshot, rule="ballots"):
        first = min("12", key=lambda number: system.index(f"Candidate {number},"))
        assert example(system) == {"1": "01", "2": "10"}[first]
    ((system, user),) = shown(tmp_path / "own", snapshot, own=("", "01"))
    assert "An example" not in system and "01\n</test" in user


def test_a_run_of_version_0_1_goes_on_with_its_first_messages(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    ((system, user),) = shown(tmp_path, make_snapshot(SNAPSHOT), older=True)
    assert "An example of a test script. It ends with exit code 2 when" in system
    assert "01\n</test" in system, "the script of the candidate shown first"
    assert user.startswith("How do the candidates differ in behaviour") and user.count("\n") == 1


def test_ballots_are_shuffled_may_refuse_and_end_early(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    """Of five ballots, the fourth gives one choice more than half; the third holds none; the first runs a test."""

    def answer(request: Request) -> str:
        if request.key[2:4] == (0, 0):
            return TEST
        return {2: "rubbish", 1: chooses(0)}.get(request.key.sample, chooses(2))

    snapshot = make_snapshot(SNAPSHOT)
    with room(tmp_path, snapshot, answer, runs, selection={"regression_files": 0, "turns": 2}) as work:

        async def ballots() -> tuple[int | None, ...]:
            return await vote_by_ballots(work, await make_inputs(work, [2, 1, 3, 0]), [2, 0, 1])

        assert asyncio.run(ballots()) == (1, None, 1, 1)
        requests = work.models.primary.requests  # type: ignore[attr-defined]
        assert {request.key.sample for request in requests} == {0, 1, 2, 3, 4}
        first = {request.key.sample: request.messages[0].content for request in requests if request.key.turn == 0}
        orders = {tuple(sorted("123", key=lambda n: text.index(f"Candidate {n}"))) for text in first.values()}
        assert len(orders) > 1, "no position is better than another"
        assert all("choose number 0" in text for text in first.values())
        with run_files.reading(work.steps.journal.folder / "run.db") as connection:
            parts = queries.rows(connection, "SELECT part FROM execution_steps WHERE stage = 'ballot'")
            stored = stored_evidence(connection, TASK.id)
        assert sorted(row["part"] for row in parts) == ["edited 1", "edited 2", "edited 3", "original"]
        assert stored is not None and stored.ballots == (1, None, 1, 1)


def test_a_majority_of_ballots_decides_and_no_ballot_leaves_the_votes(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    snapshot = make_snapshot(SNAPSHOT)
    choice, work = decided(tmp_path / "two", snapshot, [2, 1, 3, 0], lambda r: chooses(2), rule="ballots")
    assert (choice.number, len(work.models.primary.requests)) == (2, 3)  # type: ignore[attr-defined]
    choice, _ = decided(tmp_path / "none", snapshot, [2, 1, 3, 0], lambda r: chooses(0), rule="ballots")
    assert choice.number == 3 and "ballots are for none" in choice.reason
    choice, _ = decided(tmp_path / "mute", snapshot, [2, 1, 3, 0], lambda r: "rubbish", rule="ballots")
    assert choice.number == 3


def test_a_judge_is_asked_again_and_again_and_believed_by_its_share_of_yes(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    said = {1: ["NO"] * 5, 2: ["Well.\n**Yes**", "no.", "YES", "I do not know", "yes"], 3: ["?"] * 5, 4: ["no"] * 5}

    def answer(request: Request) -> str:
        return said[request.key.sample][request.key.turn]

    snapshot = make_snapshot(SNAPSHOT)
    with room(tmp_path / "all", snapshot, answer, runs, selection={"regression_files": 0}) as work:

        async def beliefs() -> dict[int, float | None]:
            return await judge_candidates(work, await make_inputs(work, [2, 1, 3, 0]), [0, 1, 2, 3])

        assert asyncio.run(beliefs()) == {0: 0.0, 1: 0.75, 2: None, 3: 0.0}
        requests = work.models.primary.requests  # type: ignore[attr-defined]
        assert len(requests) == 20 and len({request.messages[0].content for request in requests}) == 1
        assert not any("Candidate" in message.content for request in requests for message in request.messages)
    choice, work = decided(tmp_path / "rule", snapshot, [2, 1, 3, 0], answer, rule="judge")
    assert choice.number == 2 and "75%" in choice.reason
    assert work.stored.scores == (0.0, 0.75, None, 0.0)  # type: ignore[attr-defined]

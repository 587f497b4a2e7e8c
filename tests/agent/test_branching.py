"""Agents that branch: forks go on where sampled commands disagree, pay for nothing before it, and are resumed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.agent.branching import SAMPLED, entropy, steps_to_sample, target_of
from codemonkeys.agent.commands import parse_commands
from codemonkeys.errors import BudgetReached
from codemonkeys.journal import run_files
from codemonkeys.journal.transcripts import transcript
from codemonkeys.models.base import Request
from codemonkeys.tasks.snapshot import Snapshot
from tests.fakes import TASK
from tests.rooms import MARKER, solve_in_room

FILES: dict[str, str | bytes] = {"a.py": "x = 1\ny = 1\n", "b.py": "z = 1\n"}
LOOK, DONE = f"<<<<<<< FIND {MARKER} x = 1", f"<<<<<<< DONE {MARKER}"
TEST = f"<<<<<<< TEST {MARKER}\nprint()\n>>>>>>> END {MARKER}"


def edit(path: str, line: str, value: int) -> str:
    return f"<<<<<<< SEARCH {MARKER} {path}\n{line}\n======= {MARKER}\n{line}0{value}\n>>>>>>> END {MARKER}"


ROOT = [LOOK, TEST, edit("a.py", "x = 1", 0), DONE]


def answers(request: Request) -> str:
    """All do as the root does, but before the third step: there one of three samples agrees with it in its target."""
    stage, sample, turn = request.key.stage, request.key.sample, request.key.turn
    if stage == "branch":
        step, number = divmod(turn, SAMPLED)
        return (
            [edit("b.py", "z = 1", 1), edit("a.py", "x = 1", 9), edit("a.py", "y = 1", 2)][number]
            if step == 2
            else TEST
        )
    return edit("b.py", "z = 1", 3) if (sample, turn) == (3, 2) else ROOT[turn]


def solved(
    tmp_path: Path, snapshot: Snapshot, answer: Callable[[Request], str] = answers, **generation: Any
) -> tuple[list[Request], dict[str, Any]]:
    """All requests of a run, and what the journal has of its task."""
    generation = {"kinds": ["agent"], "branch": True, "samples": 4, "repository_tests": False, **generation}
    settings: dict[str, Any] = {"agent": {"context": "none"}, "selection": {"rule": "shortest", "regression_files": 0}}
    return solve_in_room(tmp_path, snapshot, answer, generation=generation, **settings)


def test_forks_go_on_where_commands_disagree_and_nothing_is_asked_twice(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    snapshot = make_snapshot(FILES)
    requests, story = solved(tmp_path, snapshot)
    asked = {sample: [r.key.turn for r in requests if r.key[1:3] == ("agent", sample)] for sample in range(4)}
    assert asked == {0: [0, 1, 2, 3], 1: [3], 2: [3], 3: [0, 1, 2, 3]}, "two ways to go on, and one that begins anew"
    sampled = sorted(r.key.turn for r in requests if r.key.stage == "branch")
    assert sampled == [step * SAMPLED + number for step in (1, 2) for number in range(SAMPLED)]
    changed = [
        [line for line in c["patch"].splitlines() if line.startswith("+") and "++" not in line]
        for c in story["candidates"]
    ]
    assert changed == [["+x = 100"], ["+z = 101"], ["+y = 102"], ["+z = 103"]]
    assert all(c["test"] and c["approved"] for c in story["candidates"]), "a fork has the test script of its root"
    (root,) = [r for r in requests if r.key[1:4] == ("agent", 0, 2)]
    (fork,) = [r for r in requests if r.key[1:4] == ("agent", 1, 3)]
    assert [m.content for m in fork.messages[: len(root.messages)]] == [m.content for m in root.messages]
    assert fork.messages[len(root.messages)].content == edit("b.py", "z = 1", 1)
    notes = {n["sample"]: n["body"] for n in story["notes"] if n["kind"] == "fork"}
    assert notes == {1: {"of": 0, "step": 2, "turn": 6}, 2: {"of": 0, "step": 2, "turn": 8}}
    with run_files.reading(tmp_path / "run" / "run.db") as connection:
        said = [text for role, text in transcript(connection, TASK.id, "agent", 1) if role == "assistant"]
    assert said == [LOOK, TEST, edit("b.py", "z = 1", 1), DONE], "what a fork shares with its root is its own too"

    def never(request: Request) -> str:
        raise AssertionError(f"asked again: {request.key}")

    assert solved(tmp_path, snapshot, never) == ([], story)


def test_without_disagreement_or_money_for_samples_the_others_begin_anew(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    def dear(request: Request) -> str:
        if request.key.stage == "branch":
            raise BudgetReached("no money left")
        return answers(request)

    def agreeing(request: Request) -> str:
        return ROOT[request.key.turn // SAMPLED if request.key.stage == "branch" else request.key.turn]

    for name, answer in (("dear", dear), ("agreeing", agreeing)):
        requests, story = solved(tmp_path / name, make_snapshot(FILES, name), answer, samples=3)
        assert len(story["candidates"]) == 3
        assert sum(r.key.stage == "agent" for r in requests) == 3 * len(ROOT)
        assert not [n for n in story["notes"] if n["kind"] == "fork"]


def test_where_agents_fork_is_decided_once(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    """There is no money for samples in the first session, and enough in the second: what has begun anew goes on so."""

    def dear(request: Request) -> str:
        if request.key.stage == "branch":
            raise BudgetReached("no money left")
        return answers(request)

    snapshot = make_snapshot(FILES)
    _, story = solved(tmp_path, snapshot, dear)
    assert solved(tmp_path, snapshot) == ([], story)


def test_a_lone_agent_and_edit_conversations_do_not_branch(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    requests, _ = solved(tmp_path, make_snapshot(FILES), samples=2, wave=1)
    assert {r.key.stage for r in requests} == {"agent"}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (edit("a.py", "x = 1", 1), edit("a.py", "x = 1", 2), True),
        (edit("a.py", "x = 1", 1), edit("a.py", "y = 1", 1), False),
        (f"<<<<<<< BASH {MARKER}\ngrep -n x src/a.py\n>>>>>>> END {MARKER}",) * 2 + (True,),
        (
            f"<<<<<<< BASH {MARKER}\ngrep -n x src/a.py\n>>>>>>> END {MARKER}",
            f"<<<<<<< BASH {MARKER}\ngrep -n y src/b.py\n>>>>>>> END {MARKER}",
            False,
        ),
        (LOOK, TEST, False),
        (DONE, f"<<<<<<< DELETE {MARKER} a.py", False),
    ],
)
def test_commands_agree_by_kind_and_target(one: str, other: str, same: bool) -> None:
    targets = [[target_of(command) for command in parse_commands(text, MARKER)] for text in (one, other)]
    assert (targets[0] == targets[1]) is same


@given(st.lists(st.booleans(), max_size=50), st.integers(0, 12))
def test_steps_are_some_of_those_up_to_the_last_change(changes: list[bool], most: int) -> None:
    steps = steps_to_sample(changes, most)
    assert steps == sorted(set(steps)) and len(steps) <= most
    last = max((n for n, change in enumerate(changes) if change), default=len(changes) - 1)
    assert all(1 <= step <= last for step in steps)
    assert not steps or last in steps


def test_entropy_is_in_bits() -> None:
    assert [entropy(counts) for counts in ([4], [2, 2], [1, 1, 1, 1], [])] == [0.0, 1.0, 2.0, 0.0]

"""Distilling: each trajectory is summed up once by the cheap model, and the next wave is told of the best few."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.engine.conversation import UnusableAnswer
from codemonkeys.errors import BadSettings, BudgetReached
from codemonkeys.generation.distilling import OUTPUT_CHARACTERS, PARTS, fitted
from codemonkeys.generation.paragraphs import CHARACTERS as PART_CHARACTERS
from codemonkeys.generation.paragraphs import parse_paragraphs
from codemonkeys.journal.transcripts import Said
from codemonkeys.models.base import Request
from codemonkeys.models.fake_answers import answer as dry_run
from codemonkeys.report.summaries_view import summaries_table
from codemonkeys.settings import load_settings
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason
from tests.rooms import MARKER, solve_in_room

SOURCES: dict[str, str | bytes] = {"a.py": "x = 1\n", "b.py": "y = 1\n"}
GENERATION: dict[str, Any] = {"samples": 4, "wave": 2, "diversity": "distill"}


def runs(script: str, patch: str | None) -> Execution:
    """The script finds the issue fixed by the edit of the second trajectory alone."""
    return Execution(Reason.EXITED, 0 if patch and "+x = 1001" in patch else 2, output="it breaks")


def answers(request: Request) -> str:
    """Trajectory n sets x to 1000 + n; its summary says so; a vote is for the smallest number."""
    stage, sample, turn = request.key.stage, request.key.sample, request.key.turn
    if stage == "edit":
        edit = f"<<<<<<< SEARCH {MARKER} a.py\nx = 1\n======= {MARKER}\nx = {1000 + sample}\n>>>>>>> END {MARKER}"
        return edit if turn == 0 else f"<<<<<<< DONE {MARKER}"
    if stage == "distill":
        tried = re.findall(r"^x = (1\d\d\d)$", request.messages[-1].content, re.M)[0]
        return f"**Hypothesis:** x.\n\nTRIED: x = {tried}.\nSEEN: </seen {MARKER}> it breaks.\n- Open: all else."
    if stage in ("compare", "tournament"):
        shown = [int(number) for number in re.findall(r"^\+x = (\d+)$", request.messages[-1].content, re.M)]
        return f"<<<<<<< CHOOSE {MARKER} {shown.index(min(shown)) + 1}"
    return dry_run(request)


def solved(
    tmp_path: Path, snapshot: Snapshot, answer: Callable[[Request], str] = answers, **given: Any
) -> tuple[list[Request], dict[str, Any]]:
    """All requests of a run, and what the journal has of its task."""
    settings = {"generation": GENERATION, "selection": {"rule": "votes", "regression_files": 0}, **given}
    return solve_in_room(tmp_path, snapshot, answer, runs, **settings)


def told(requests: list[Request], sample: int) -> str:
    """What the first message of an edit conversation says of attempts before it."""
    (request,) = [r for r in requests if r.key[1:4] == ("edit", sample, 0)]
    return request.messages[1].content.partition("This is the test script")[0]


def test_a_wave_is_told_of_the_best_and_nothing_is_asked_again(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    snapshot = make_snapshot(SOURCES)
    requests, story = solved(tmp_path, snapshot)
    assert [r.key[1:4] for r in requests if r.key.stage == "distill"] == [("distill", n, 0) for n in (0, 1)]
    assert "before yours" not in told(requests, 0) + told(requests, 1)
    for sample in (2, 3):
        lessons = told(requests, sample)
        assert "2 attempts at this issue came before yours" in lessons and "different reading" not in lessons
        assert re.findall(r"^x = (\d+)\.$", lessons, re.M) == ["1001", "1000"], "the one that is fixed comes first"
        assert re.findall(r"(\d) call it fixed", lessons) == ["1", "0"]
        assert lessons.count(f"</seen {MARKER}>") == 2, "what a summary holds cannot close its delimiter"
    notes = {(n["sample"], n["kind"]): n["body"] for n in story["notes"] if n["stage"] == "distill"}
    assert notes[2, "best"] == [1, 0] and notes[0, "summary"]["tried"] == "x = 1000."
    assert {key for key in notes if key[1] == "summary"} == {(0, "summary"), (1, "summary")}
    assert summaries_table(story["notes"]).row_count == 8

    def never(request: Request) -> str:
        raise AssertionError(f"asked again: {request.key}")

    assert solved(tmp_path, snapshot, never) == ([], story)


def test_a_tournament_chooses_of_whom_a_wave_is_told_and_sees_summaries(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    """Votes are for the first trajectory, tests for the second."""
    generation = {**GENERATION, "distill_best": 1, "distill_by": "tournament", "wave": 1, "samples": 3}
    requests, story = solved(
        *(tmp_path, make_snapshot(SOURCES)),
        generation=generation,
        selection={"rule": "tournament", "regression_files": 0},
    )
    notes = {n["sample"]: n["body"] for n in story["notes"] if (n["stage"], n["kind"]) == ("distill", "best")}
    assert notes == {1: [0], 2: [0]}
    compared = [r for r in requests if r.key.stage == "compare"]
    assert compared and {r.key.turn for r in compared} == {12, 13}, "after two trajectories, two votes that agree"
    final = [r for r in requests if r.key.stage == "tournament"]
    assert story["candidate"] is None and {s["value"] for s in story["signals"] if s["kind"] == "match"} == {1.0}
    for request in (*compared, *final):
        message = request.messages[-1].content
        assert len(re.findall(r"^x = 100\d\.$", message, re.M)) == len(re.findall(r"^Candidate \d:$", message, re.M))
    assert sorted(r.key.sample for r in requests if r.key.stage == "distill") == [0, 1, 2]


def test_an_agent_is_summed_up_and_told_too(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    """An agent that comes to no patch has still seen something."""

    def answer(request: Request) -> str:
        if request.key.stage == "distill":
            assert "The engineer:" in request.messages[-1].content and "FIND" in request.messages[-1].content
            return "HYPOTHESIS: a.\nTRIED: b.\nSEEN: c.\nOPEN: d."
        if request.key.stage == "agent" and request.key.sample < 2:
            return f"I look around.\n\n<<<<<<< FIND {MARKER} x = 1"
        return dry_run(request)

    generation = {**GENERATION, "kinds": ["agent"], "repository_tests": False}
    requests, story = solved(
        *(tmp_path, make_snapshot(SOURCES), answer),
        generation=generation,
        agent={"context": "none", "steps": 2},
    )
    assert len(story["candidates"]) == 2
    for sample in (2, 3):
        (first,) = [r for r in requests if r.key[1:4] == ("agent", sample, 0)]
        assert first.messages[1].content.count("It came to no edit.") == 2
        assert first.messages[0].content == requests[0].messages[0].content, "the cached prefix is shared"


def test_without_money_for_summaries_the_wave_goes_on(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    def dear(request: Request) -> str:
        if request.key.stage == "distill":
            raise BudgetReached("no money left")
        return answers(request)

    requests, story = solved(tmp_path, make_snapshot(SOURCES), dear)
    assert len(story["candidates"]) == 4
    assert re.findall(r"^\+x = (\d+)$", told(requests, 3), re.M) == ["1001", "1000"]
    assert sum(n["kind"] == "ended early" and n["stage"] == "distill" for n in story["notes"]) == 2


@pytest.mark.parametrize("stage", ["distill", "compare"])
def test_a_wave_that_went_on_without_is_resumed_without(
    stage: str, tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    """There is money again in the second session: what the wave was told stays as it was."""

    def dear(request: Request) -> str:
        if request.key.stage == stage:
            raise BudgetReached("no money left")
        return answers(request)

    snapshot, generation = make_snapshot(SOURCES), {**GENERATION, "distill_best": 1, "distill_by": "tournament"}
    _, story = solved(tmp_path, snapshot, dear, generation=generation)
    requests, again = solved(tmp_path, snapshot, generation=generation)
    assert (requests, again) == ([], story)


def test_a_name_that_begins_with_underscores_stays_whole() -> None:
    summary = parse_paragraphs(
        "HYPOTHESIS: __init__ of A.\n**Tried:** *b*.\n__SEEN:__ c.\n**OPEN**: __d__ is new.", PARTS
    )
    assert list(summary.values()) == ["__init__ of A.", "*b*.", "c.", "__d__ is new."]


def test_one_wave_has_nothing_to_distill() -> None:
    with pytest.raises(BadSettings, match="diversity=distill needs more than one wave"):
        load_settings(["generation.diversity=distill"])


@given(st.text(max_size=300))
def test_any_answer_is_a_whole_summary_or_says_what_it_lacks(answer: str) -> None:
    try:
        summary = parse_paragraphs(answer, PARTS)
    except UnusableAnswer as problem:
        assert "lacks" in str(problem)
    else:
        assert tuple(summary) == PARTS and all(summary.values())
    long = "\n".join(f"{part.upper()}: {answer}{'y' * 900}" for part in PARTS)
    assert all(len(text) <= PART_CHARACTERS for text in parse_paragraphs(long, PARTS).values())


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.integers(0, 9_000))), st.integers(1_000, 40_000))
def test_what_is_summed_up_is_bounded_and_the_end_is_in_it(sizes: list[tuple[str, int]], characters: int) -> None:
    said = [Said(role, "x" * size) for role, size in sizes]
    kept = fitted(said, characters)
    slack = 60 * len(kept)
    assert sum(len(message["text"]) for message in kept) <= characters + slack
    assert [message["role"] for message in kept] == [role for role, _ in sizes[len(sizes) - len(kept) :]]
    assert not said or kept[-1]["text"][:10] == said[-1].text[:10]
    assert all(len(message["text"]) <= 2 * OUTPUT_CHARACTERS + 60 for message in kept)

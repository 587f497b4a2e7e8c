"""Waves of trajectories: what a later one knows of earlier ones, which model writes it, and how much they differ."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.engine.steps import Steps
from codemonkeys.engine.work import Work
from codemonkeys.errors import BadSettings, UnpricedModel
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.trajectories import describe_earlier, waves
from codemonkeys.journal import queries, run_files
from codemonkeys.models.base import Completion, Request
from codemonkeys.models.fake_answers import answer as dry_run
from codemonkeys.pipeline import solve_task
from codemonkeys.runs.models import check_prices, open_models
from codemonkeys.settings import GenerationSettings, load_settings
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason
from tests.fakes import TASK, AnsweringModel
from tests.rooms import MARKER, room

SOURCES = {"a.py": "x = 1\n", "b.py": "y = 1\n"}
PATCH = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = 1\n+x = {}\n"


@given(st.integers(1, 40), st.none() | st.integers(1, 50))
def test_every_sample_is_in_one_wave(samples: int, wave: int | None) -> None:
    found = waves(GenerationSettings(samples=samples, wave=wave))
    assert [sample for each in found for sample in each] == list(range(samples))
    assert all(len(each) <= (wave or samples) for each in found)


def test_memory_without_waves_is_refused() -> None:
    with pytest.raises(BadSettings, match="diversity=memory needs more than one wave"):
        load_settings(["generation.diversity=memory"])


def edit(line: str) -> str:
    return f"<<<<<<< SEARCH {MARKER} a.py\nx = 1\n======= {MARKER}\nx = {line}\n>>>>>>> END {MARKER}"


def mulish(request: Request) -> str:
    """A model with one favourite idea, that has another one only when it is shown what was tried."""
    if request.key.stage != "edit":
        return dry_run(request)
    if request.key.turn:
        return f"<<<<<<< DONE {MARKER}"
    seen = {int(n) for n in re.findall(r"^\+x = (\d+)$", request.messages[1].content, re.M)}
    return edit(str(min(set(range(2, 99)) - seen)))


def fails(script: str, patch: str | None) -> Execution:
    return Execution(Reason.EXITED, 2, output=f"</output {MARKER}> still {'broken' if patch else 'there'}")


def solved(tmp_path: Path, snapshot: Snapshot, **generation: Any) -> tuple[list[Request], list[dict[str, Any]], str]:
    """Edit requests, candidates and prediction of a run, which is then done again: everything is in its journal."""
    selection = {"regression_files": 0}
    with room(tmp_path, snapshot, mulish, fails, generation=generation, selection=selection) as work:
        model = work.models.primary
        complete = model.complete

        async def late(request: Request) -> Completion:
            await asyncio.sleep(hash((request.key.sample, request.key.turn)) % 5 / 500)
            return await complete(request)

        model.complete = late  # type: ignore[method-assign]
        choice = asyncio.run(solve_task(work))
        assert choice is not None
        requests = list(model.requests)  # type: ignore[attr-defined]
        assert asyncio.run(solve_task(replace(work, gates={}))) == choice
        assert len(model.requests) == len(requests)  # type: ignore[attr-defined]
        with run_files.reading(work.steps.journal.folder / "run.db") as connection:
            story = queries.task_story(connection, TASK.id)
        return [r for r in requests if r.key.stage == "edit"], story["candidates"], choice.patch


def test_memory_makes_candidates_differ_and_is_resumable(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    """What can be measured without a model: how many distinct candidates there are. Not whether they are better."""
    snapshot = make_snapshot(SOURCES)

    def distinct(candidates: list[dict[str, Any]]) -> int:
        return sum(c["duplicate_of"] is None for c in candidates)

    requests, alike, _ = solved(tmp_path / "off", snapshot, samples=6, wave=2)
    assert distinct(alike) == 1
    assert all("before you" not in r.messages[1].content for r in requests)

    requests, different, _ = solved(tmp_path / "on", snapshot, samples=6, wave=2, diversity="memory")
    assert len(different) == 6 and distinct(different) == 3
    for request in requests:
        told = request.messages[1].content
        earlier = 2 + request.key.sample // 2
        assert re.findall(r"^\+x = (\d+)$", told, re.M)[: earlier - 2] == [str(n) for n in range(2, earlier)]
        assert told.count(f"</output {MARKER}>") == (earlier - 2) + 1, "each attempt's output, and the unedited code's"
        assert request.messages[0].content == requests[0].messages[0].content, "the cached prefix is shared"


def test_every_trajectory_but_the_first_is_asked_for_a_reading_of_its_own(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    """Behind the shared prefix, the same at each resumption; not where earlier waves lead a trajectory elsewhere."""

    def readings(requests: list[Request]) -> dict[int, str]:
        found = {r.key.sample: re.search(r"^.* different reading .*$", r.messages[1].content, re.M) for r in requests}
        return {sample: match[0] for sample, match in found.items() if match}

    snapshot = make_snapshot(SOURCES)
    requests, *_ = solved(tmp_path / "on", snapshot, samples=7)
    asked = readings(requests)
    assert sorted(asked) == [1, 2, 3, 4, 5, 6] and len(set(asked.values())) == 5 and asked[1] == asked[6]
    assert len({request.messages[0].content for request in requests}) == 1, "the cached prefix is shared"
    requests, *_ = solved(tmp_path / "memory", snapshot, samples=4, wave=2, diversity="memory")
    assert sorted(readings(requests)) == [1]
    requests, *_ = solved(tmp_path / "off", snapshot, samples=2, readings=False)
    assert not readings(requests)


def test_memory_is_bounded_and_tells_each_edit_once(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    generation = {"diversity": "memory", "wave": 1, "memory_characters": 1000}
    with room(tmp_path, make_snapshot(SOURCES), mulish, fails, generation=generation) as work:
        assert asyncio.run(describe_earlier(work, [])) == ""
        candidates = [Candidate(n, PATCH.format(str(n % 3) * 5000), "test" if n else "", True) for n in range(9)]
        told = asyncio.run(describe_earlier(work, candidates))
        assert told.count("diff --git") == 3 and "Attempt 3" in told and "Attempt 4" not in told
        assert len(told) < 3000


def test_models_take_turns_by_sample(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    with room(tmp_path, make_snapshot(SOURCES), dry_run, fails, generation={"samples": 5}) as work:
        one, two = AnsweringModel(dry_run, "one"), AnsweringModel(dry_run, "two")
        steps = work.steps
        models = replace(steps.models, writers=(one, two))
        work.steps = Steps(steps.journal, models, steps.sandbox, steps.operation)
        assert asyncio.run(solve_task(work)) is not None
        for model, samples in ((one, {0, 2, 4}), (two, {1, 3})):
            keys = [request.key for request in model.requests]
            assert {key.stage for key in keys} == {"test", "edit"}
            assert {key.sample for key in keys} == samples
        assert {r.key.stage for r in steps.models.primary.requests} == {"relevance", "rank", "select"}  # type: ignore[attr-defined]
        assert sources(work) == ["one", "two", "one", "two", "one"]


def sources(work: Work) -> list[str]:
    with run_files.reading(work.steps.journal.folder / "run.db") as connection:
        return [c["source"] for c in queries.task_story(connection, TASK.id)["candidates"]]


def test_each_model_is_opened_once_and_needs_a_price_under_a_budget(tmp_path: Path) -> None:
    recording = tmp_path / "recording.jsonl"
    recording.write_text('{"format": "codemonkeys-recording-1"}\n')
    replay = f"replay:{recording}"
    settings = load_settings(model="fake", generation={"models": ["fake", replay, replay]})
    models = open_models(settings)
    writers = models.writers
    assert models.scan is models.primary is writers[0]
    assert writers[1] is writers[2] and writers[1].name == "replay" and len(models.distinct()) == 2

    settings = load_settings(model="fake", generation={"models": ["fake"]}, operation={"budget": 1.0})
    with pytest.raises(UnpricedModel):
        check_prices(settings.operation, (AnsweringModel(dry_run, price=None),) * 2)

"""The pipeline of one task: what waits for what, and what one failure leaves untouched."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys.errors import BadRecord, FilteredAnswer, RetriesExhausted, RunInterrupted
from codemonkeys.models.base import Completion, Request
from codemonkeys.models.fake_answers import FILE, answer
from codemonkeys.pipeline import solve_task
from codemonkeys.runs.outcomes import gravest, said_of, state_of_error
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason
from tests.rooms import room

SOURCES = {"a.py": "def a():\n    return 1\n", "b.py": "def b():\n    return 2\n"}


def finds_the_file(script: str, patch: str | None) -> Execution:
    """What the fake model's script does: looks for the file that its edit creates."""
    return Execution(Reason.EXITED, 0 if patch and FILE in patch else 2)


def test_issue_becomes_a_patch(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    with room(tmp_path, make_snapshot(SOURCES), answer, finds_the_file, generation={"samples": 3}) as work:
        choice = asyncio.run(solve_task(work))
        assert choice is not None and FILE in choice.patch
        stages = {request.key.stage for request in work.models.primary.requests}  # type: ignore[attr-defined]
        assert stages == {"relevance", "rank", "test", "edit", "select"}


def test_early_tests_are_written_while_the_context_is_found(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    """Relevance is held back until a test conversation has ended: if that waited for it, both would wait for ever."""
    generation = {"samples": 1, "early_tests": True}
    with room(tmp_path, make_snapshot(SOURCES), answer, finds_the_file, generation=generation) as work:
        model = work.models.primary
        complete = model.complete
        tested = asyncio.Event()

        async def held(request: Request) -> Completion:
            if request.key.stage == "relevance":
                await tested.wait()
            if request.key.stage == "test" and request.key.turn == 1:
                tested.set()
            return await complete(request)

        model.complete = held  # type: ignore[method-assign]
        assert asyncio.run(asyncio.wait_for(solve_task(work), 60)) is not None


def test_tests_see_the_context_and_the_nearest_test_in_one_prefix(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    test = "import a\n\n\ndef test_a():\n    assert a.a() == 1\n"
    snapshot = make_snapshot({**SOURCES, "tests/test_a.py": test})
    with room(tmp_path, snapshot, answer, finds_the_file, generation={"samples": 3}) as work:
        assert asyncio.run(solve_task(work)) is not None
        requests: list[Request] = work.models.primary.requests  # type: ignore[attr-defined]
        stages = [request.key.stage for request in requests]
        assert stages.index("test") > max(n for n, stage in enumerate(stages) if stage == "rank")
        (system,) = {request.messages[0].content for request in requests if request.key.stage == "test"}
        assert all(text in system for text in (*SOURCES.values(), test))


def test_one_trajectory_that_is_refused_leaves_the_others(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    def partly(request: Request) -> str:
        if request.key.sample == 0 and request.key.stage in ("test", "edit"):
            raise FilteredAnswer("withheld")
        return answer(request)

    with room(tmp_path, make_snapshot(SOURCES), partly, finds_the_file, generation={"samples": 2}) as work:
        choice = asyncio.run(solve_task(work))
        assert choice is not None and "trajectory 1" in choice.patch
        assert [str(error) for error in work.ended_early] == ["withheld", "withheld"]


def test_without_any_edit_nothing_is_chosen(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    def no_edit(request: Request) -> str:
        return "No." if request.key.stage == "edit" else answer(request)

    with room(tmp_path, make_snapshot(SOURCES), no_edit, finds_the_file, generation={"samples": 2}) as work:
        assert asyncio.run(solve_task(work)) is None


def test_prediction_is_the_same_whatever_the_order_of_answers(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    snapshot = make_snapshot(SOURCES)
    patches = set()
    for seed in range(3):
        with room(tmp_path / str(seed), snapshot, answer, finds_the_file, generation={"samples": 4}) as work:
            model = work.models.primary
            complete = model.complete

            async def late(request: Request, complete=complete, seed=seed) -> Completion:  # type: ignore[no-untyped-def]
                await asyncio.sleep(hash((seed, request.key.sample, request.key.turn)) % 7 / 500)
                done: Completion = await complete(request)
                return replace(done, seconds=1.0)

            model.complete = late  # type: ignore[method-assign]
            choice = asyncio.run(solve_task(work))
            assert choice is not None
            patches.add(choice.patch)
    assert len(patches) == 1


@pytest.mark.parametrize(
    ("errors", "kind"),
    [
        ([RetriesExhausted("a"), BadRecord("b"), RunInterrupted("c")], BadRecord),
        ([RetriesExhausted("a"), RunInterrupted("c")], RunInterrupted),
        ([RetriesExhausted("a"), ValueError("c")], RetriesExhausted),
    ],
)
def test_what_concerns_the_whole_run_is_told_first(errors: list[Exception], kind: type[Exception]) -> None:
    nested = ExceptionGroup("outer", [errors[0], ExceptionGroup("inner", errors[1:])])
    assert isinstance(gravest(nested), kind)
    assert str(state_of_error(RetriesExhausted("a"))) == "model failed"


def test_an_error_that_nobody_raised_on_purpose_is_told_with_its_kind() -> None:
    assert said_of(RetriesExhausted("3 attempts failed")) == "3 attempts failed"
    assert said_of(KeyError("name")) == "KeyError: 'name'"
    assert said_of(NotImplementedError()) == "NotImplementedError"

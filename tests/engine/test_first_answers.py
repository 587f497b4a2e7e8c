"""A stage whose first answers are all empty or cut: it is said at once, and the run stops before the budget goes."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys.engine.steps import Steps
from codemonkeys.errors import NoUsableAnswers
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Message, Price, Request, Usage
from codemonkeys.settings import OperationSettings
from sandboxes.base import Execution, Reason
from tests.fakes import TASK, AnsweringModel, AnsweringSandbox, open_steps

CUT = Completion("", "length", Usage(100, 8192, reasoning_tokens=8192), "m")
WHOLE = Completion("Hello.", "stop", Usage(100, 5), "m")
PRICE = Price(prompt=1e-6, completion=1e-5)


class Scripted(AnsweringModel):
    """Gives these answers in turn, then the last one again."""

    def __init__(self, answers: Sequence[Completion]) -> None:
        super().__init__(lambda request: "", name="m", price=PRICE)
        self._answers = answers

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        return self._answers[min(len(self.requests), len(self._answers)) - 1]


def opened(tmp_path: Path, model: Scripted, limit: int = 3) -> Steps:
    sandbox = AnsweringSandbox(lambda script, patch: Execution(Reason.EXITED, 0))
    return open_steps(tmp_path, model, sandbox, operation=OperationSettings(empty_answers=limit))


def call(steps: Steps, number: int, stage: str = "edit") -> Completion:
    return asyncio.run(steps.calls.call(Request(StepKey(TASK.id, stage, number), (Message("user", "Hello"),))))


def test_the_run_stops_when_no_answer_of_a_stage_can_be_used(tmp_path: Path) -> None:
    model = Scripted([CUT])
    steps = opened(tmp_path, model)
    said: list[str] = []
    steps.calls._first_answers._notify = lambda event: said.append(event.text)
    call(steps, 0)
    assert len(said) == 1 and "after 8192 tokens, 8192 of them for thinking, without any text" in said[0]
    assert "raise generation.max_tokens (now 8192)" in said[0]
    call(steps, 1)
    message = "none of the first 3 answers of stage edit.*raise generation.max_tokens.*operation.empty_answers=0"
    for number in (2, 3):
        with pytest.raises(NoUsableAnswers, match=message):
            call(steps, number)
    assert len(model.requests) == 3 and len(said) == 1
    # Each answer is on the bill as the provider counted it.
    assert steps.journal.calls.spent() == pytest.approx(3 * (100e-6 + 8192e-5))
    steps.journal.close()


@pytest.mark.parametrize("limit", [0, 3])
def test_it_goes_on_after_one_that_can_be_used_or_if_it_is_told_to(tmp_path: Path, limit: int) -> None:
    model = Scripted([CUT, CUT, WHOLE, CUT] if limit else [CUT])
    steps = opened(tmp_path, model, limit)
    for number in range(8):
        call(steps, number)
    assert len(model.requests) == 8
    steps.journal.close()


def test_each_stage_counts_for_itself_and_an_earlier_session_counts(tmp_path: Path) -> None:
    steps = opened(tmp_path, Scripted([WHOLE]))
    call(steps, 0)
    steps.journal.close()
    steps = opened(tmp_path, Scripted([CUT]))
    for number in range(1, 6):
        call(steps, number)
    for number in range(2):
        call(steps, number, "select")
    with pytest.raises(NoUsableAnswers, match="stage select.*raise selection.max_tokens"):
        call(steps, 2, "select")
    steps.journal.close()


def test_answers_in_flight_are_stored_when_the_run_stops(tmp_path: Path) -> None:
    model = Scripted([CUT])
    steps = opened(tmp_path, model)

    async def many() -> list[object]:
        requests = [Request(StepKey(TASK.id, "edit", n), (Message("user", "Hello"),)) for n in range(40)]
        found = await asyncio.gather(*(steps.calls.call(each) for each in requests), return_exceptions=True)
        await steps.in_flight.drain()
        return list(found)

    found = asyncio.run(many())
    assert any(isinstance(each, NoUsableAnswers) for each in found)
    assert len(model.requests) < 40
    assert steps.journal.calls.spent() == pytest.approx(len(model.requests) * (100e-6 + 8192e-5))
    steps.journal.close()


def test_a_cut_answer_is_told_from_one_that_an_older_version_took_as_whole(tmp_path: Path) -> None:
    steps = opened(tmp_path, Scripted([replace(CUT, text="Half an")]))
    assert call(steps, 0).finish_reason == call(steps, 0).finish_reason == "length"
    connection = steps.journal._writer.connection
    assert connection.execute("SELECT finish_reason FROM calls").fetchall() == [("cut",)]
    connection.execute("UPDATE call_steps SET finish_reason = 'length'")
    assert call(steps, 0).finish_reason == "stop"
    steps.journal.close()

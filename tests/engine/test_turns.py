"""Turns of calls: booked shortly before a slot is free, and out of it once they are answered."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.engine.ending import Ending
from codemonkeys.engine.queues import Priority
from codemonkeys.engine.steps import Steps
from codemonkeys.engine.turns import AHEAD, CallQueue
from codemonkeys.errors import BudgetReached
from codemonkeys.journal import queries, run_files
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Message, Price, Request, Usage
from codemonkeys.models.endpoint import Endpoint
from codemonkeys.models.hosted import HostedModel
from codemonkeys.models.retry import Patience
from codemonkeys.models.throttle import Throttle
from codemonkeys.settings import OperationSettings
from sandboxes.base import Execution, Reason
from tests.fakes import TASK, AnsweringModel, AnsweringSandbox, open_steps

SLOTS = AHEAD
SANDBOX = AnsweringSandbox(lambda script, patch: Execution(Reason.EXITED, 0))
PRICES = {"input_cost_per_token": 0.0, "output_cost_per_token": 0.01, "litellm_provider": "openai", "mode": "chat"}


class Waiting(AnsweringModel):
    """A model whose calls are answered one by one."""

    def __init__(self, tokens: int = 1, failing: int = 0) -> None:
        """`tokens`: of each answer, at 0.01 USD. `failing`: how many calls are charged once for nothing before."""
        super().__init__(lambda request: "", price=Price(completion=0.01))
        self.answers: dict[int, asyncio.Event] = {}
        self._tokens, self._failing = tokens, failing

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        await self.answers.setdefault(request.key.sample, asyncio.Event()).wait()
        if request.key.sample < self._failing:
            await request.book_attempt("broken off", Usage(0, self._tokens))
        return Completion("x", "stop", Usage(0, self._tokens), self.name)


def states(steps: Steps) -> Counter[str]:
    with run_files.reading(steps.journal.folder / "run.db") as connection:
        return Counter(row["state"] for row in queries.rows(connection, "SELECT state FROM calls"))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.001)


def request(sample: int, max_tokens: int = 10) -> Request:
    return Request(StepKey(TASK.id, "edit", sample), (Message("user", "Hello"),), max_tokens=max_tokens)


def test_one_call_more_is_booked_and_waits_for_a_slot(tmp_path: Path) -> None:
    model = Waiting()
    steps = open_steps(tmp_path, model, SANDBOX, operation=OperationSettings(calls=SLOTS))

    async def all_of_them() -> None:
        calls = [asyncio.ensure_future(steps.calls.call(request(n))) for n in range(SLOTS + 3)]
        await until(lambda: states(steps)["started"] == SLOTS + 1)
        assert [each.key.sample for each in model.requests] == list(range(SLOTS))
        model.answers[3].set()
        await calls[3]
        await until(lambda: len(model.requests) == SLOTS + 1)
        for n in range(SLOTS + 3):
            model.answers.setdefault(n, asyncio.Event()).set()
        await asyncio.gather(*calls)

    asyncio.run(all_of_them())
    assert states(steps) == {"done": SLOTS + 3}
    steps.journal.close()


def test_a_slot_is_free_once_its_call_is_answered_though_the_answer_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Waiting()
    steps = open_steps(tmp_path, model, SANDBOX, operation=OperationSettings(calls=SLOTS))
    finish, sent_before = steps.journal.calls.finish, list[int]()

    def finish_and_tell(*given: Any) -> None:
        sent_before.append(len(model.requests))
        finish(*given)

    monkeypatch.setattr(steps.journal.calls, "finish", finish_and_tell)

    async def all_of_them() -> None:
        calls = [asyncio.ensure_future(steps.calls.call(request(n))) for n in range(SLOTS + 1)]
        await until(lambda: states(steps)["started"] == SLOTS + 1)
        await steps.journal.group_commit(lambda: None)  # The one that booked the last call is over.
        model.answers[0].set()
        await calls[0]
        for n in range(1, SLOTS + 1):
            model.answers.setdefault(n, asyncio.Event()).set()
        await asyncio.gather(*calls)

    asyncio.run(all_of_them())
    assert sent_before[0] == SLOTS + 1
    steps.journal.close()


def test_a_booked_call_that_nobody_waits_for_is_not_sent_and_costs_nothing(tmp_path: Path) -> None:
    model = Waiting()
    steps = open_steps(tmp_path, model, SANDBOX, operation=OperationSettings(calls=SLOTS))

    async def all_of_them() -> None:
        calls = [asyncio.ensure_future(steps.calls.call(request(n))) for n in range(SLOTS + 1)]
        await until(lambda: states(steps)["started"] == SLOTS + 1 and len(model.requests) == SLOTS)
        await steps.journal.group_commit(lambda: None)  # All are booked, and one waits for a slot: any of them.
        (waiting,) = {*range(SLOTS + 1)} - {each.key.sample for each in model.requests}
        calls.pop(waiting).cancel()
        for event in model.answers.values():
            event.set()
        async with asyncio.timeout(60):
            await asyncio.gather(*calls)
            await steps.in_flight.drain()

    asyncio.run(all_of_them())
    assert len(model.requests) == SLOTS
    assert states(steps) == {"done": SLOTS, "failed": 1}
    assert steps.journal.calls.spent() == SLOTS * 0.01
    steps.journal.close()


@pytest.mark.parametrize("lacking", ["before", "between attempts"])
def test_no_slot_is_held_for_money_that_a_booked_call_may_give_back(tmp_path: Path, lacking: str) -> None:
    """All slots were held so, the booked call waited for one, and the run for ever."""
    is_repeated = lacking == "between attempts"
    model = Waiting(10, failing=SLOTS if is_repeated else 0)
    budget = 1.2 if is_repeated else 1.0
    steps = open_steps(tmp_path, model, SANDBOX, operation=OperationSettings(calls=SLOTS, budget=budget))

    def begin(first: int, count: int, max_tokens: int) -> list[asyncio.Future[Completion]]:
        numbers = range(first, first + count)
        return [asyncio.ensure_future(steps.calls.call(request(n, max_tokens))) for n in numbers]

    async def all_of_them() -> list[Completion | BaseException]:
        calls = begin(0, SLOTS, 10)
        await until(lambda: len(model.requests) == SLOTS)
        large = [] if is_repeated else begin(SLOTS, SLOTS, 60)
        small = begin(2 * SLOTS, 1, 35 if is_repeated else 5)
        if is_repeated:
            await until(lambda: states(steps)["started"] == SLOTS + 1)
        for n in range(SLOTS):
            model.answers[n].set()
            if not is_repeated:
                await calls[n]
        model.answers.setdefault(2 * SLOTS, asyncio.Event()).set()
        async with asyncio.timeout(60):
            return await asyncio.gather(*small, *large, *calls, return_exceptions=True)

    small, *others = asyncio.run(all_of_them())
    assert isinstance(small, Completion)
    if is_repeated:
        assert sum(isinstance(each, Completion) for each in others) == 3
    assert {type(each) for each in others} == {Completion, BudgetReached}
    assert steps.journal.calls.spent() <= budget + 1e-9
    steps.journal.close()


def test_nor_a_slot_of_the_model_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hosted model has as many of its own: those that lacked money held these, and the booked call waited for one."""
    (tmp_path / "prices.json").write_text(json.dumps({"openai/test": PRICES}))
    asked, go_on = list[int](), asyncio.Event()

    async def ask(_: Endpoint, request: Request, completion_length: bool) -> dict[str, Any]:
        asked.append(request.key.sample)
        await go_on.wait()
        if request.key.sample in first and asked.count(request.key.sample) == 1:
            raise ConnectionResetError("cut off")
        return {"choices": [{"message": {"content": "x"}}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}

    monkeypatch.setattr(Endpoint, "ask", ask)
    patience = Patience(attempts=2, backoff=0.001)
    model = HostedModel("openai/test", "http://nowhere", 60, patience, SLOTS, tmp_path / "prices.json")
    # Enough for the calls that are out and the booked one, and for another attempt of all once that has cost less.
    operation = OperationSettings(calls=SLOTS, budget=(SLOTS + 1) * 0.1 + 0.09, reasoning_beside=False)
    steps = open_steps(tmp_path, model, SANDBOX, operation=operation)

    async def all_of_them() -> None:
        calls = [asyncio.ensure_future(steps.calls.call(request(n))) for n in range(SLOTS + 1)]
        await until(lambda: states(steps)["started"] == SLOTS + 1 and len(asked) == SLOTS)
        first.extend(asked)
        go_on.set()
        async with asyncio.timeout(60):
            await asyncio.gather(*calls)
        await model.close()

    first = list[int]()
    asyncio.run(all_of_them())
    assert states(steps) == {"failed": SLOTS, "done": SLOTS + 1}
    assert steps.journal.calls.spent() == pytest.approx(SLOTS * 0.1 + (SLOTS + 1) * 0.01)
    steps.journal.close()


@given(st.integers(1, 40), st.integers(1, 20), st.randoms())
def test_no_more_than_the_slots_ask_at_a_time_and_everybody_has_a_turn(
    count: int, slots: int, rng: random.Random
) -> None:
    """Whoever is cancelled leaves no place and no slot taken."""
    asking = booked = 0

    async def ask(request: Request) -> Completion:
        nonlocal asking, booked
        booked, asking = booked - 1, asking + 1
        assert asking <= slots
        try:
            await asyncio.sleep(0)
        finally:
            booked, asking = booked + 1, asking - 1
        return Completion("", "stop", None, "")

    async def one(queue: CallQueue) -> None:
        nonlocal booked
        async with queue.turn(Priority(0, 0), 1) as turn:
            booked += 1
            try:
                assert booked + asking <= slots + slots // AHEAD
                await asyncio.sleep(0)
                await turn.take_slot()
                await turn.asking(ask)(request(0))
            finally:
                booked -= 1

    async def all_of_them() -> None:
        queue = CallQueue(Throttle(slots), Ending())
        running = [asyncio.ensure_future(one(queue)) for _ in range(count)]
        for _ in range(rng.randrange(6)):
            await asyncio.sleep(0)
        for task in rng.sample(running, count // 3):
            task.cancel()
        await asyncio.wait_for(asyncio.gather(*running, return_exceptions=True), 10)
        assert not [each for each in running if not each.cancelled() and each.exception()]
        async with asyncio.timeout(10):
            await asyncio.gather(*(one(queue) for _ in range(2 * slots)))
            async with queue.slot_to_begin(Priority(0, 0)):
                pass

    asyncio.run(all_of_them())


@pytest.mark.parametrize("slots", [1, SLOTS])
def test_sessions_that_share_a_model_leave_each_other_its_slots(slots: int) -> None:
    """As of a program that runs two at once: nobody tells one what the other gives back."""
    throttle, answered = Throttle(slots), list[int]()

    async def call(queue: CallQueue, number: int) -> None:
        async def ask(request: Request) -> Completion:
            await asyncio.sleep(0.01)
            answered.append(number)
            return Completion("", "stop", None, "")

        async with queue.turn(Priority(0, 0), 1) as turn:
            await turn.take_slot()
            await turn.asking(ask)(request(0))

    async def both() -> None:
        queues = [CallQueue(throttle, Ending()) for _ in range(2)]
        async with asyncio.timeout(60):
            await asyncio.gather(*(call(queue, n) for n, queue in enumerate(queues) for _ in range(slots)))

    asyncio.run(both())
    assert sorted(answered) == [0] * slots + [1] * slots


def test_a_task_begins_only_once_a_slot_is_free_that_no_call_waits_for() -> None:
    begun = False

    async def begin(queue: CallQueue) -> None:
        nonlocal begun
        async with queue.slot_to_begin(Priority(9, 0)):
            begun = True

    async def all_of_them() -> None:
        queue, end = CallQueue(Throttle(SLOTS), Ending()), asyncio.Event()

        async def ask(request: Request) -> Completion:
            await end.wait()
            return Completion("", "stop", None, "")

        async def call() -> None:
            async with queue.turn(Priority(0, 0), 1) as turn:
                await turn.take_slot()
                await turn.asking(ask)(request(0))

        calls = [asyncio.ensure_future(call()) for _ in range(SLOTS)]
        for _ in range(5):
            await asyncio.sleep(0)
        beginning = asyncio.ensure_future(begin(queue))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not begun
        end.set()
        await asyncio.gather(beginning, *calls)

    asyncio.run(all_of_them())
    assert begun

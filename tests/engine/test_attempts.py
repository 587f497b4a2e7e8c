"""The bill of attempts: whatever may have been charged is on it, before anything more goes out."""

from __future__ import annotations

import asyncio
import random
import uuid
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codemonkeys.engine.steps import Steps
from codemonkeys.errors import BudgetReached, RetriesExhausted
from codemonkeys.journal import queries, run_files
from codemonkeys.journal.store import Journal
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Message, Price, Request, Usage
from codemonkeys.models.roles import ModelSet
from codemonkeys.settings import OperationSettings
from sandboxes.base import Execution, Reason
from tests.fakes import TASK, AnsweringModel, AnsweringSandbox

CENTS = Price(completion=0.01)
WORKERS = 12
SANDBOX = AnsweringSandbox(lambda script, patch: Execution(Reason.EXITED, 0))


class Unsteady(AnsweringModel):
    """A model whose attempts fail by chance, and whose provider charges for them whatever it likes up to the bound."""

    def __init__(self, seed: int, counts: float = 1.0) -> None:
        super().__init__(lambda request: "", price=CENTS)
        self.random = random.Random(seed)
        self.counts = counts
        """What the provider counts for a token of ours."""
        self.charged = 0.0

    async def complete(self, request: Request) -> Completion:
        for attempt in range(3):
            await asyncio.sleep(0)
            self.requests.append(request)
            used = self.random.randrange(request.max_tokens + 1)
            failing, charging = self.random.random() < 0.4, self.random.random() < 0.7
            self.charged += used * 0.01 * (charging if failing else self.counts)
            if not failing:
                return Completion("x", "stop", Usage(0, round(used * self.counts)), self.name)
            if attempt == 2:
                raise RetriesExhausted("cut three times", charging)
            if charging:
                await request.book_attempt("cut")
        raise AssertionError


def work(path: Path, model: AnsweringModel, limit: float, most: int = 50, calls: int = WORKERS) -> tuple[float, float]:
    """Many calls at once under a budget; the bill, also as it is read from the journal."""
    name = f"run-{uuid.uuid4()}"
    with closing(Journal(path, name, "source", {})) as journal:
        journal.add_tasks([TASK])
        operation = OperationSettings(budget=limit, calls=calls, selection_share=0)
        steps = Steps(journal, ModelSet(model, model), SANDBOX, operation)

        async def worker(number: int) -> None:
            for turn in range(3):
                request = Request(StepKey(TASK.id, "edit", number, turn), (Message("user", "Hello"),), max_tokens=most)
                try:
                    await steps.calls.call(request)
                except (BudgetReached, RetriesExhausted):
                    pass

        async def workers() -> None:
            await asyncio.gather(*(worker(number) for number in range(WORKERS)))

        asyncio.run(workers())
        steps.close()
        spent = journal.calls.spent()
    with closing(Journal(path, name, "source", {})) as journal:
        return spent, journal.calls.spent()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.integers(50, 4000))
def test_the_provider_never_charges_more_than_is_booked_nor_more_than_the_budget(
    tmp_path: Path, seed: int, cents: int
) -> None:
    model = Unsteady(seed)
    spent, read = work(tmp_path, model, cents / 100)
    assert model.charged <= spent + 1e-9
    assert spent <= cents / 100 + 1e-9
    assert spent == pytest.approx(read, abs=1e-9)


class Greedy(AnsweringModel):
    """A model whose provider counts more than our bound in every call."""

    def __init__(self, factor: float) -> None:
        super().__init__(lambda request: "", price=CENTS)
        self.factor = factor

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        await asyncio.sleep(0)
        return Completion("x", "stop", Usage(0, round(request.max_tokens * self.factor)), self.name)


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.floats(1.0, 2.2), st.integers(100, 2500), st.integers(1, 8))
def test_a_provider_that_counts_more_passes_the_budget_by_the_calls_in_flight_at_most(
    tmp_path: Path, factor: float, cents: int, calls: int
) -> None:
    """What it counted is booked, and every later reservation is as large as what it counts."""
    model = Greedy(factor)
    spent, read = work(tmp_path, model, cents / 100, most=100, calls=calls)
    each = round(100 * factor) / 100
    assert spent == pytest.approx(len(model.requests) * each) == pytest.approx(read)
    # Those in flight when the first one was counted were reserved too low.
    assert spent <= cents / 100 + calls * (each - 1) + 1e-9
    room = cents / 100 - spent
    assert len(model.requests) == 3 * WORKERS or room < each + 1e-9


def test_what_is_learned_of_a_provider_survives_the_session(tmp_path: Path) -> None:
    model = Greedy(2.0)
    request = Request(StepKey(TASK.id, "edit"), (Message("user", "Hello"),), max_tokens=100)
    for turn in range(2):
        with closing(Journal(tmp_path, "run", "source", {})) as journal:
            journal.add_tasks([TASK])
            operation = OperationSettings(budget=3.5, selection_share=0)
            steps = Steps(journal, ModelSet(model, model), SANDBOX, operation)
            call = steps.calls.call(replace(request, key=request.key._replace(turn=turn)))
            if turn:
                with pytest.raises(BudgetReached, match=r"could cost up to 2\.0000 USD"):
                    asyncio.run(call)
            else:
                asyncio.run(call)
            assert journal.calls.overrun(model.name) == pytest.approx(2.0)
            steps.close()
    assert len(model.requests) == 1


def test_attempts_of_a_session_that_died_stay_on_the_bill(tmp_path: Path) -> None:
    """Two attempts failed, the third was in flight: all three may have been charged, and the next session pays anew."""

    class Hanging(AnsweringModel):
        async def complete(self, request: Request) -> Completion:
            if not self.requests:
                self.requests.append(request)
                for _ in range(2):
                    await request.book_attempt("no answer within 600 s")
                in_flight.set()
                await asyncio.Event().wait()
            return await super().complete(request)

    async def die(steps: Steps) -> None:
        call = asyncio.ensure_future(steps.calls.call(request))
        await asyncio.wait_for(in_flight.wait(), 60)
        call.cancel()
        steps.in_flight.cancel()
        await steps.in_flight.drain()

    in_flight = asyncio.Event()
    model = Hanging(lambda request: "x" * 10, price=CENTS)
    request = Request(StepKey(TASK.id, "edit"), (Message("user", "Hello"),), max_tokens=100)
    for session in range(2):
        with closing(Journal(tmp_path, "run", "source", {})) as journal:
            journal.add_tasks([TASK])
            operation = OperationSettings()
            steps = Steps(journal, ModelSet(model, model), SANDBOX, operation)
            if session:
                assert asyncio.run(steps.calls.call(request)).text == "x" * 10
            else:
                asyncio.run(die(steps))
            steps.close()
    with run_files.reading(tmp_path / "run" / "run.db") as connection:
        assert queries.unanswered(connection) == {"attempts": 3, "cost_usd": pytest.approx(3.0)}
        states = [row["state"] for row in queries.rows(connection, "SELECT state FROM calls ORDER BY id")]
        assert states == ["failed", "failed", "lost", "done"]
        assert queries.spend(connection)[0]["cost_usd"] == pytest.approx(3.1)


def test_no_attempt_goes_out_for_which_there_is_no_money(tmp_path: Path) -> None:
    class Cut(AnsweringModel):
        async def complete(self, request: Request) -> Completion:
            while True:
                self.requests.append(request)
                await request.book_attempt("cut")

    model = Cut(lambda request: "", price=CENTS)
    request = Request(StepKey(TASK.id, "edit"), (Message("user", "Hello"),), max_tokens=100)
    with closing(Journal(tmp_path, "run", "source", {})) as journal:
        journal.add_tasks([TASK])
        operation = OperationSettings(budget=3.5, selection_share=0)
        steps = Steps(journal, ModelSet(model, model), SANDBOX, operation)
        with pytest.raises(BudgetReached):
            asyncio.run(steps.calls.call(request))
        assert len(model.requests) == 3 and journal.calls.spent() == pytest.approx(3.0)
        steps.close()

"""The budget: never a cent over, hardly one left lying, and no task begun that cannot end."""

from __future__ import annotations

import asyncio
import math
import random
import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codemonkeys.engine.steps import Steps
from codemonkeys.engine.stop import Stop
from codemonkeys.errors import BudgetReached, RetriesExhausted
from codemonkeys.journal.store import Journal
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Message, Price, Request, Usage
from codemonkeys.models.fake_answers import FILE, answer
from codemonkeys.models.roles import ModelSet
from codemonkeys.runs.outcomes import TaskResult
from codemonkeys.runs.runner import run_tasks
from codemonkeys.settings import OperationSettings, load_settings
from codemonkeys.tasks.base import Task, Workspace
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason
from tests.fakes import PLACE, TASK, AnsweringModel, AnsweringSandbox

CENTS = Price(completion=0.01)
FINE = AnsweringSandbox(lambda script, patch: Execution(Reason.EXITED, 0 if patch and FILE in patch else 2))


class Costly(AnsweringModel):
    """Answers when its random numbers say so, and costs what they say, up to what was reserved."""

    def __init__(self, seed: int, bill: Callable[[], float], limit: float) -> None:
        super().__init__(lambda request: "", price=CENTS)
        self._random = random.Random(seed)
        self._bill, self._limit = bill, limit

    async def complete(self, request: Request) -> Completion:
        assert self._bill() <= self._limit + 1e-9
        for _ in range(self._random.randrange(6)):
            await asyncio.sleep(0)
        if self._random.random() < 0.1:
            raise RetriesExhausted("cut off: nobody knows what it cost")
        if self._random.random() < 0.1:
            await request.book_attempt("broken off", Usage(0, self._random.randrange(request.max_tokens + 1)))
        used = self._random.randrange(request.max_tokens + 1)
        return Completion("x", "stop", Usage(0, used), self.name)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.integers(1, 4000), st.integers(1, 200), st.sampled_from((64, 20, 8, 1)))
def test_sixty_four_workers_are_never_a_cent_over_nor_leave_more_than_one_reservation(
    tmp_path: Path, seed: int, cents: int, largest: int, slots: int
) -> None:
    rng = random.Random(seed)
    limit = cents / 100
    name = f"run-{uuid.uuid4()}"
    journal = Journal(tmp_path, name, "source", {})
    journal.add_tasks([TASK])
    model = Costly(seed, journal.calls.spent, limit)
    steps = Steps(journal, ModelSet(model, model), FINE, OperationSettings(budget=limit, calls=slots))
    refused: list[float] = []

    async def worker(number: int) -> None:
        for turn in range(2):
            key = StepKey(TASK.id, "edit", number, turn)
            request = Request(key, (Message("user", "Hello"),), max_tokens=rng.randint(1, largest))
            try:
                await steps.calls.call(request)
            except BudgetReached:
                refused.append(request.max_tokens / 100)
            except RetriesExhausted:
                pass
            assert journal.calls.spent() <= limit + 1e-9

    async def workers() -> None:
        async with asyncio.timeout(120):
            await asyncio.gather(*(worker(number) for number in range(64)))

    asyncio.run(workers())
    spent = journal.calls.spent()
    journal.close()
    connection = sqlite3.connect(tmp_path / name / "run.db")
    bill = math.fsum(row[0] for row in connection.execute("SELECT cost_usd FROM calls"))
    connection.close()
    assert spent == pytest.approx(bill, abs=1e-9) and bill <= limit + 1e-9
    assert not refused or limit - bill < max(refused) + 1e-9


def make_run(
    tmp_path: Path, model: AnsweringModel, snapshot: Snapshot, operation: OperationSettings, stop: Stop | None = None
) -> list[TaskResult]:
    """Solve five tasks on one codebase."""
    chosen = load_settings(generation={"samples": 4}, selection={"turns": 3})
    chosen = chosen.model_copy(update={"operation": operation})
    journal = Journal(tmp_path, f"run-{uuid.uuid4()}", "source", {})
    steps = Steps(journal, ModelSet(model, model), FINE, operation, stop=stop)
    tasks = [Task(f"owner__name-{n}", "owner/name", "0" * 40, "It breaks.") for n in range(5)]

    def prepare(task: Task) -> Workspace:
        return Workspace(task, Snapshot.of_repository(snapshot.git_dir), PLACE)

    try:
        return asyncio.run(run_tasks(tasks, chosen, steps, prepare))
    finally:
        spent = journal.calls.spent()
        journal.close()
        assert operation.budget is None or spent <= operation.budget + 1e-9
        for task in tasks:
            assert operation.task_budget is None or journal.calls.spent(task.id) <= operation.task_budget + 1e-9


SOURCES = {f"module_{n}.py": f"def function_{n}():\n    return {n}\n" * 40 for n in range(6)}


@pytest.mark.slow
@pytest.mark.parametrize("what", ["budget", "task_budget"])
def test_every_task_that_is_begun_ends_with_a_prediction(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], what: str
) -> None:
    """Whatever the budget: a task either costs nothing, or has a prediction at its end."""
    states: list[str] = []
    rng = random.Random(7)
    with make_snapshot(SOURCES) as snapshot:
        for seed in range(9):
            numbers = random.Random(seed)

            def longer(request: Request, numbers: random.Random = numbers) -> str:
                """The answer of a dry run, with thoughts before it; a character is a token here, and 512 are usual."""
                return "Thought. " * numbers.randrange(15) + "\n" + answer(request)

            model = AnsweringModel(longer, price=Price(1e-5, 2e-5, 1e-5, 1e-5))
            operation = OperationSettings(calls=8, **{what: rng.uniform(0.05, 4 if what == "budget" else 2)})
            ended = make_run(tmp_path, model, snapshot, operation)
            assert len(ended) == 5
            began = {request.key.task for request in model.requests}
            assert all((end.state == "predicted") == (end.task in began) for end in ended), ended
            states += [end.state for end in ended]
    assert states.count("predicted") >= 10 and states.count("over budget") >= 10


@pytest.mark.slow
def test_tasks_that_wait_for_money_when_a_run_is_stopped_are_not_over_budget(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    stop = Stop()

    def stopping(request: Request) -> str:
        stop.drain()
        return answer(request)

    model = AnsweringModel(stopping, price=Price(1e-5, 2e-5, 1e-5, 1e-5))
    with make_snapshot(SOURCES) as snapshot:
        ended = make_run(tmp_path, model, snapshot, OperationSettings(budget=0.62), stop)
    assert model.requests and ended == []


@pytest.mark.slow
def test_what_the_infrastructure_failed_is_tried_once_more_at_the_end(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    """One task's calls fail for good the first time, another's every time: neither stops the others."""
    failed: list[str] = []

    def failing(request: Request) -> str:
        task = request.key.task
        if request.key.stage == "edit" and (task.endswith("-4") or (task.endswith("-1") and task not in failed)):
            failed.append(task)
            raise RetriesExhausted("the provider is away")
        return answer(request)

    with make_snapshot(SOURCES) as snapshot:
        ended = make_run(tmp_path, AnsweringModel(failing), snapshot, OperationSettings())
    assert [end.state for end in ended] == ["predicted"] * 4 + ["model failed"]
    assert ended[4].may_pass and "away" in ended[4].reason
    assert len(failed) >= 3


class Slower(AnsweringModel):
    """Its answers take longer than what goes on between them, also on a busy machine: some call always waits."""

    async def complete(self, request: Request) -> Completion:
        await asyncio.sleep(0.05)
        return await super().complete(request)


@pytest.mark.slow
def test_tasks_begin_no_sooner_than_their_calls_could_go_out(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    """With room for one call at a time the first tasks end before the last ones begin, and later stages go first."""
    model = Slower(answer)
    with make_snapshot(SOURCES) as snapshot:
        make_run(tmp_path, model, snapshot, OperationSettings(calls=1, tasks=5))
    keys = [request.key for request in model.requests]
    first = {task: next(n for n, key in enumerate(keys) if key.task == task) for task in {key.task for key in keys}}
    last = {task: max(n for n, key in enumerate(keys) if key.task == task) for task in first}
    assert min(last.values()) < max(first.values())
    assert len(set(keys)) == len(keys)

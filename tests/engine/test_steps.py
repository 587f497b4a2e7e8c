"""Steps: once in the life of a run, whatever happens around them."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from threading import Event

import pytest

from codemonkeys.engine.executions import ExecutionRequest
from codemonkeys.errors import AccessRefused, ExecutionFailed, FilteredAnswer, NoAnswer, RunInterrupted, StepChanged
from codemonkeys.journal import queries, run_files
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Message, Price, Request, Usage
from codemonkeys.settings import OperationSettings, load_settings
from sandboxes.base import Capacity, Environment, Execution, Limits, Reason, Script
from sandboxes.layers import EMPTY, Entry, Layer
from sandboxes.sessions import Session, Step
from tests.fakes import PLACE, TASK, AnsweringModel, AnsweringSandbox, open_steps

KEY = StepKey(TASK.id, "edit", 0, 0)
REQUEST = Request(KEY, (Message("user", "Hello"),))
FINE = Execution(Reason.EXITED, 0, output="fine")


def fine() -> AnsweringSandbox:
    return AnsweringSandbox(lambda script, patch: FINE)


def test_answer_comes_from_the_journal_the_second_time(tmp_path: Path) -> None:
    model = AnsweringModel(lambda request: f"answer {len(model.requests)}")
    for _ in range(2):
        steps = open_steps(tmp_path, model, fine())
        assert asyncio.run(steps.calls.call(REQUEST)).text == "answer 1"
        steps.journal.close()
    assert len(model.requests) == 1


def test_changed_request_is_refused_by_name_and_done_anew_when_accepted(tmp_path: Path) -> None:
    model = AnsweringModel(lambda request: request.messages[-1].content)
    changed = replace(REQUEST, messages=(Message("user", "Changed"),))
    steps = open_steps(tmp_path, model, fine())
    asyncio.run(steps.calls.call(REQUEST))
    with pytest.raises(StepChanged, match=r"owner__name-1 edit sample 1 turn 1.*accept_changes=True"):
        asyncio.run(steps.calls.call(changed))
    steps.journal.close()
    steps = open_steps(tmp_path, model, fine(), accept_changes=True)
    assert asyncio.run(steps.calls.call(changed)).text == "Changed"
    with run_files.reading(steps.journal.folder / "run.db") as connection:
        rows = queries.rows(connection, "SELECT state FROM calls ORDER BY id")
    assert [row["state"] for row in rows] == ["superseded", "done"]
    steps.journal.close()


def test_empty_answer_is_kept_and_booked_at_its_upper_bound(tmp_path: Path) -> None:
    def nothing(request: Request) -> str:
        raise NoAnswer("nothing")

    model = AnsweringModel(nothing, price=Price(completion=0.001))
    steps = open_steps(tmp_path, model, fine())
    for _ in range(2):
        completion = asyncio.run(steps.calls.call(REQUEST))
        assert (completion.text, completion.finish_reason) == ("", "empty")
    assert len(model.requests) == 1
    assert steps.journal.calls.spent() == pytest.approx(REQUEST.max_tokens * 0.001)
    steps.journal.close()


COUNTED = Usage(100, 60, raw={"prompt_tokens": 100}, reasoning_tokens=60)
PRICE = Price(prompt=1e-6, completion=1e-5)
TRUE_COST = 100e-6 + 60e-5


@pytest.mark.parametrize("finish_reason", [None, "length"])
def test_what_the_provider_counted_is_booked_of_an_empty_answer(tmp_path: Path, finish_reason: str | None) -> None:
    def nothing(request: Request) -> str:
        raise NoAnswer("nothing", usage=COUNTED, finish_reason=finish_reason)

    steps = open_steps(tmp_path, AnsweringModel(nothing, price=PRICE), fine())
    for _ in range(2):
        completion = asyncio.run(steps.calls.call(REQUEST))
        assert (completion.text, completion.finish_reason) == ("", finish_reason or "empty")
        assert completion.usage is not None and completion.usage.completion_tokens == 60
    assert steps.journal.calls.spent() == pytest.approx(TRUE_COST)
    steps.journal.close()


def test_what_the_provider_counted_is_booked_of_a_filtered_answer_and_of_a_failed_attempt(tmp_path: Path) -> None:
    class Withholding(AnsweringModel):
        async def complete(self, request: Request) -> Completion:
            await request.book_attempt("the answer broke off", COUNTED)
            raise FilteredAnswer("refused", usage=COUNTED, finish_reason="refused")

    steps = open_steps(tmp_path, Withholding(lambda request: "", price=PRICE), fine())
    with pytest.raises(FilteredAnswer):
        asyncio.run(steps.calls.call(REQUEST))
    assert steps.journal.calls.spent() == pytest.approx(2 * TRUE_COST)
    steps.journal.calls.recompute_totals()
    assert steps.journal.calls.spent() == pytest.approx(2 * TRUE_COST)
    with run_files.reading(steps.journal.folder / "run.db") as connection:
        rows = queries.rows(connection, "SELECT state, finish_reason, completion_tokens FROM calls ORDER BY id")
        assert queries.unanswered(connection) == {"attempts": 0, "cost_usd": 0.0}
    assert [tuple(row.values()) for row in rows] == [("failed", None, 60), ("failed", "refused", 60)]
    steps.journal.close()


def test_filtered_answer_is_not_kept(tmp_path: Path) -> None:
    def filtered(request: Request) -> str:
        raise FilteredAnswer("withheld")

    steps = open_steps(tmp_path, AnsweringModel(filtered), fine())
    for _ in range(2):
        with pytest.raises(FilteredAnswer):
            asyncio.run(steps.calls.call(REQUEST))
    assert steps.journal.calls.stored(KEY) is None
    steps.journal.close()


def test_paid_answer_is_stored_although_nobody_waits_for_it_any_more(tmp_path: Path) -> None:
    class Slow(AnsweringModel):
        async def complete(self, request: Request) -> Completion:
            await asyncio.sleep(0.05)
            return await super().complete(request)

    async def cancelled() -> None:
        waiting = asyncio.ensure_future(steps.calls.call(REQUEST))
        await asyncio.sleep(0.01)
        waiting.cancel()
        await steps.in_flight.drain()

    steps = open_steps(tmp_path, Slow(lambda request: "late"), fine())
    asyncio.run(cancelled())
    stored = steps.journal.calls.stored(KEY)
    assert stored is not None and steps.journal.calls.answer(stored).text == "late"
    steps.journal.close()


def test_nothing_new_begins_once_stopping_but_the_journal_still_answers(tmp_path: Path) -> None:
    steps = open_steps(tmp_path, AnsweringModel(lambda request: "answer"), fine())
    asyncio.run(steps.calls.call(REQUEST))
    steps.stop.drain()
    assert asyncio.run(steps.calls.call(REQUEST)).text == "answer"
    with pytest.raises(RunInterrupted, match="resume the run 'run'"):
        asyncio.run(steps.calls.call(replace(REQUEST, key=KEY._replace(turn=1))))
    steps.journal.close()


def test_equal_executions_run_once_even_side_by_side(tmp_path: Path) -> None:
    sandbox = fine()
    steps = open_steps(tmp_path, AnsweringModel(lambda request: ""), sandbox)

    async def several() -> list[Execution]:
        keys = [KEY._replace(sample=n, part="original") for n in range(5)]
        request = ExecutionRequest(PLACE, Script("x"), None, Limits())
        return await asyncio.gather(*(steps.executions.run(key, request) for key in keys))

    assert asyncio.run(several()) == [FINE] * 5
    assert asyncio.run(several()) == [FINE] * 5
    asyncio.run(steps.executions.run(KEY, ExecutionRequest(PLACE, Script("x"), "patch", Limits())))
    assert sandbox.runs == [("x", None), ("x", "patch")]
    with run_files.reading(steps.journal.folder / "run.db") as connection:
        rows = queries.rows(connection, "SELECT reused FROM executions")
    assert sorted(row["reused"] for row in rows) == [0, 0, 1, 1, 1, 1]
    steps.journal.close()


@pytest.mark.parametrize("began", [True, False])
def test_an_equal_execution_does_not_fail_with_whoever_is_cancelled(tmp_path: Path, began: bool) -> None:
    """As a straggler that is stopped: its execution goes on for the others, or one of them begins it."""
    go, running = Event(), Event()

    def run(script: str, patch: str | None) -> Execution:
        running.set()
        assert go.wait(60)
        return FINE

    sandbox = AnsweringSandbox(run)
    steps = open_steps(tmp_path, AnsweringModel(lambda request: ""), sandbox, operation=OperationSettings(executions=1))
    request = ExecutionRequest(PLACE, Script("x"), None, Limits())
    other = ExecutionRequest(PLACE, Script("keeps the only slot"), None, Limits())

    async def race() -> Execution:
        blocking = [] if began else [asyncio.create_task(steps.executions.run(KEY._replace(turn=9), other))]
        assert began or await asyncio.to_thread(running.wait, 60)
        first = asyncio.create_task(steps.executions.run(KEY, request))
        second = asyncio.create_task(steps.executions.run(KEY._replace(turn=1), request))
        assert await asyncio.to_thread(running.wait, 60)
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        go.set()
        await asyncio.gather(*blocking)
        return await second

    assert asyncio.run(race()) == FINE
    assert [script for script, _ in sandbox.runs].count("x") == 1
    steps.close()
    steps.journal.close()


class Elsewhere(AnsweringSandbox):
    """A sandbox that no thread waits for: executions end when the test says."""

    def __init__(self) -> None:
        super().__init__(lambda script, patch: FINE)
        self.begun: list[tuple[str, Layer | None, Future[Step]]] = []

    def begin(
        self, environment: Environment, script: Script, patch: str | None, limits: Limits, layer: Layer | None
    ) -> Future[Step]:
        result: Future[Step] = Future()
        result.set_running_or_notify_cancel()
        self.begun.append((script.text, layer, result))
        return result

    def step(
        self, environment: Environment, script: Script, layer: Layer = EMPTY, limits: Limits | None = None
    ) -> Step:
        raise AssertionError("a thread would wait")

    def open(self, environment: Environment, limits: Limits | None = None, layer: Layer = EMPTY) -> Session:
        raise AssertionError("sessions are opened by tests of sandboxes")


def test_no_thread_waits_for_what_is_carried_out_elsewhere(tmp_path: Path) -> None:
    """Neither for scripts nor for commands; what goes on after a cancellation is stored."""
    sandbox = Elsewhere()
    steps = open_steps(
        tmp_path,
        AnsweringModel(lambda request: ""),
        sandbox,
        operation=OperationSettings(executions=99, executions_memory_mb=10**6),
    )
    after = Layer.of([Entry("/testbed/new", "file", 0o644, b"new")])

    async def several() -> list[Step]:
        requests = [ExecutionRequest(PLACE, Script(f"script {n}"), None, Limits()) for n in range(20)]
        requests.append(ExecutionRequest(PLACE, Script("command"), None, Limits(), EMPTY))
        tasks = [
            asyncio.create_task(steps.executions.step(KEY._replace(turn=n), one)) for n, one in enumerate(requests)
        ]
        async with asyncio.timeout(60):
            while len(sandbox.begun) < len(requests):
                await asyncio.sleep(0)
        tasks[0].cancel()
        await asyncio.wait([tasks[0]])
        for text, _, result in sandbox.begun:
            result.set_result(Step(FINE, after if text == "command" else EMPTY))
        await steps.in_flight.drain()
        return [await steps.executions.step(KEY._replace(turn=n), one) for n, one in enumerate(requests)]

    assert asyncio.run(several()) == [Step(FINE, EMPTY)] * 20 + [Step(FINE, after)]
    assert [layer for _, layer, _ in sandbox.begun] == [None] * 20 + [EMPTY]
    assert sandbox.runs == []
    steps.close()
    steps.journal.close()


class OneCluster(AnsweringSandbox):
    """Takes one execution at a time, as a cluster of one machine with one core."""

    def capacity(self) -> Capacity:
        return Capacity(1, 10_000, 1)


@pytest.mark.parametrize(
    ("sandbox", "left", "order"),
    [
        (OneCluster, 5, ["begin", "regression", "votes", "test"]),
        (OneCluster, 4, ["begin", "test", "votes", "regression"]),
        (AnsweringSandbox, 4, ["begin", "regression", "votes", "test"]),
    ],
)
def test_executions_of_the_last_tasks_on_a_cluster_level_off(
    tmp_path: Path, sandbox: type[AnsweringSandbox], left: int, order: list[str]
) -> None:
    """Later stages go first until then, and to the end where one machine is all there is."""
    went: list[str] = []

    def carry_out(script: str, patch: str | None) -> Execution:
        went.append(script)
        return FINE

    steps = open_steps(
        tmp_path, AnsweringModel(lambda _: ""), sandbox(carry_out), operation=OperationSettings(executions=1)
    )
    steps.ending.expect(8, load_settings())
    steps.ending.left = left

    async def run() -> None:
        stages = {"begin": "environment", "votes": "votes", "test": "test", "regression": "regression"}
        requests = {
            StepKey(TASK.id, stage, 0, 0, "original"): ExecutionRequest(PLACE, Script(script), None, Limits())
            for script, stage in stages.items()
        }
        await asyncio.gather(*(steps.executions.run(key, request) for key, request in requests.items()))

    asyncio.run(run())
    steps.close()
    steps.journal.close()
    assert went == order


def test_sandbox_failure_is_retried_and_never_taken_for_an_answer(tmp_path: Path) -> None:
    broken = Execution(Reason.SANDBOX_FAILED, detail="engine gone")
    results = [broken, FINE]
    sandbox = AnsweringSandbox(lambda script, patch: results.pop(0) if results else broken)
    steps = open_steps(tmp_path, AnsweringModel(lambda request: ""), sandbox)
    assert asyncio.run(steps.executions.run(KEY, ExecutionRequest(PLACE, Script("x"), None, Limits()))) == FINE
    with pytest.raises(ExecutionFailed, match="failed 3 times: engine gone"):
        asyncio.run(steps.executions.run(KEY._replace(turn=1), ExecutionRequest(PLACE, Script("y"), None, Limits())))
    assert steps.journal.executions.stored(KEY._replace(turn=1)) is None
    steps.journal.close()


def test_call_waits_for_reservations_to_settle_before_the_budget_is_called_spent(tmp_path: Path) -> None:
    """Each call may cost 1 and does cost 0.1: at one time one fits, one after another all do, and the eleventh not."""
    model = AnsweringModel(lambda request: "x" * 10, price=Price(completion=0.01))
    steps = open_steps(tmp_path, model, fine(), operation=OperationSettings(budget=1.95, selection_share=0))
    requests = [replace(REQUEST, key=KEY._replace(sample=n), max_tokens=100) for n in range(12)]

    async def all_at_once() -> list[object]:
        return await asyncio.gather(*(steps.calls.call(request) for request in requests), return_exceptions=True)

    ended = asyncio.run(all_at_once())
    assert [type(end).__name__ for end in ended] == ["Completion"] * 10 + ["BudgetReached"] * 2
    assert steps.journal.calls.spent() == pytest.approx(1.0)
    steps.journal.close()


def test_what_has_not_gone_out_stays_back_when_one_call_fails_for_good(tmp_path: Path) -> None:
    """One call at a time, the first is refused: the others wait for their turn, and end with the first."""

    def refused(request: Request) -> str:
        raise AccessRefused("wrong key")

    async def several() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(5):
                group.create_task(steps.calls.call(replace(REQUEST, key=KEY._replace(sample=number))))

    model = AnsweringModel(refused)
    steps = open_steps(tmp_path, model, fine(), operation=OperationSettings(calls=1))
    with pytest.raises(ExceptionGroup):
        asyncio.run(several())
    assert len(model.requests) == 1
    steps.journal.close()


def test_call_that_ends_unlike_any_other_keeps_no_other_waiting(tmp_path: Path) -> None:
    """A fault of ours leaves its reservation on the bill, and whoever waits for it to settle is told so."""

    def broken(request: Request) -> str:
        raise ValueError("a fault of ours")

    async def both() -> list[object]:
        calls = (steps.calls.call(replace(REQUEST, key=KEY._replace(sample=number))) for number in range(2))
        return await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), 10)

    model = AnsweringModel(broken, price=Price(completion=0.01))
    budget = OperationSettings(budget=REQUEST.max_tokens * 0.01 * 1.5, selection_share=0)
    steps = open_steps(tmp_path, model, fine(), operation=budget)
    assert [type(end).__name__ for end in asyncio.run(both())] == ["ValueError", "BudgetReached"]
    steps.journal.close()

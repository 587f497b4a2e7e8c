"""Calls in batches: against an endpoint that speaks the protocols and keeps its own bill."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.engine.events import Event
from codemonkeys.engine.steps import Steps
from codemonkeys.errors import AccessRefused, BadSettings, BudgetReached, RejectedRequest, RunInterrupted
from codemonkeys.journal.store import Journal
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Message, Request
from codemonkeys.models.batch_apis import OpenAIBatches
from codemonkeys.models.batch_prices import batch_factors
from codemonkeys.models.hosted import HostedModel
from codemonkeys.models.parameters import DEFAULT_PARAMETERS, Parameters
from codemonkeys.models.retry import Patience
from codemonkeys.models.roles import ModelSet
from codemonkeys.runs.models import open_models
from codemonkeys.settings import BatchSettings, OperationSettings, load_settings
from sandboxes.base import Execution, Reason
from tests.fakes import TASK, AnsweringSandbox
from tests.models.batch_endpoint import BatchEndpoint, HeldBatch, expired
from tests.models.endpoint import Reply, Seen, answer, serve_endpoint, status

PRICES = {"input_cost_per_token": 1e-5, "output_cost_per_token": 1e-4}
MODELS = ["openai/test", "anthropic/claude-sonnet-4-5"]
SANDBOX = AnsweringSandbox(lambda script, patch: Execution(Reason.EXITED, 0))
QUICK = BatchSettings(stages=("relevance", "rank"), linger_seconds=0.05, poll_seconds=0.02)


def reply(seen: Seen) -> Reply:
    """Says again what it was asked."""
    counted = {"prompt_tokens": len(seen.text) // 3, "completion_tokens": 7}
    return answer(f"You said: {seen.body['messages'][-1]['content']}", counted)


@dataclass
class Session:
    """One session of a run against an endpoint."""

    steps: Steps
    events: list[Event] = field(default_factory=list)

    async def ask(self, *numbers: int, stage: str = "relevance") -> list[Completion | BaseException]:
        calls = (self.steps.calls.call(request(number, stage)) for number in numbers)
        return await asyncio.gather(*calls, return_exceptions=True)

    @property
    def said(self) -> str:
        return "\n".join(event.text for event in self.events if event.kind == "note")


def request(number: int, stage: str = "relevance", text: str = "Call number") -> Request:
    messages = (Message("system", "Be brief."), Message("user", f"{text} {number}."))
    return Request(StepKey(TASK.id, stage, number), messages, max_tokens=50)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in ("OPENAI", "ANTHROPIC"):
        monkeypatch.setenv(f"{provider}_API_KEY", "canary-0123456789")


@contextmanager
def journal_in(folder: Path) -> Iterator[Journal]:
    with closing(Journal(folder, "run", "source", {})) as journal:
        journal.add_tasks([TASK])
        yield journal


def session(
    journal: Journal,
    endpoint: BatchEndpoint,
    name: str,
    act: Callable[[Session], Any],
    batch: BatchSettings = QUICK,
    parameters: Parameters = DEFAULT_PARAMETERS,
    **operation: Any,
) -> Session:
    """One session, closed when what it does has ended."""
    prices = journal.folder / "prices.json"
    prices.write_text(json.dumps({name: PRICES}))
    found: list[Session] = []

    async def main() -> None:
        base = endpoint.url.removesuffix("/v1") if name.startswith("anthropic") else endpoint.url
        model = HostedModel(name, base, 60, Patience(attempts=2, backoff=0.001), registry=prices)
        events: list[Event] = []
        limits = OperationSettings(batch=batch, **operation)
        models = ModelSet(model, model, parameters={("scan", name): parameters})
        steps = Steps(journal, models, SANDBOX, limits, notify=events.append)
        found.append(Session(steps, events))
        try:
            await act(found[0])
            await steps.in_flight.drain()
        finally:
            steps.close()
            await model.close()

    asyncio.run(main())
    return found[0]


def states(journal: Journal) -> list[tuple[int, str, bool]]:
    """(number, state, whether it is of a batch) of all calls, in order."""
    rows = journal._writer.connection.execute("SELECT sample, state, batch > 0 FROM calls ORDER BY sample, id")
    return [(sample, state, bool(batched)) for sample, state, batched in rows]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.slow
def test_a_batch_answers_at_half_the_price(name: str, tmp_path: Path) -> None:
    endpoint = BatchEndpoint(reply)
    answers: list[Any] = []

    async def act(s: Session) -> None:
        answers.extend(await s.ask(*range(5)))
        await s.ask(7, stage="edit")

    with journal_in(tmp_path) as journal, serve_endpoint(endpoint):
        session(journal, endpoint, name, act, calls=1)
        assert not [a for a in answers if isinstance(a, Exception)]
        assert [a.text for a in answers] == [f"You said: Call number {n}." for n in range(5)]
        assert len(endpoint.batches) == 1 and len(endpoint.requests) == 1
        assert endpoint.charged["prompt in batches"] > 0 < endpoint.charged["prompt"]
        assert journal.calls.spent() == pytest.approx(endpoint.bill(PRICES), rel=1e-12)
        assert states(journal) == [*((n, "done", True) for n in range(5)), (7, "done", False)]
        # What is stored is not asked again, in batches or not.
        session(journal, endpoint, name, lambda s: s.ask(*range(5)), BatchSettings())
    assert len(endpoint.batches) == 1 and len(endpoint.requests) == 1


def faulty(seen: Seen) -> Reply:
    """Refuses the second call for good; the third fails in a batch, and the fifth breaks off, but not when alone."""
    if "number 1." in seen.text:
        return status(400)
    if "number 4." in seen.text and seen.number < 0 and not seen.path.endswith("/messages"):
        body = json.loads(reply(seen).body)
        body["choices"][0] |= {"finish_reason": "error", "message": {"role": "assistant", "content": ""}}
        return Reply(body=json.dumps(body))
    return status(500) if "number 2." in seen.text and seen.number < 0 else reply(seen)


@pytest.mark.parametrize("name", MODELS)
def test_calls_that_a_batch_does_not_answer_go_out_alone(name: str, tmp_path: Path) -> None:
    """Those that expired and failed transiently do, at the full price; what is refused for good is refused."""
    endpoint = BatchEndpoint(faulty, expires=lambda seen: "number 3." in seen.text)
    answers: list[Any] = []

    async def act(s: Session) -> None:
        answers.extend(await s.ask(*range(5)))

    with journal_in(tmp_path) as journal, serve_endpoint(endpoint):
        found = session(journal, endpoint, name, act)
        assert isinstance(answers.pop(1), RejectedRequest)
        assert [a.text for a in answers] == [f"You said: Call number {n}." for n in (0, 2, 3, 4)]
        is_broken = name.startswith("openai")
        assert len(endpoint.batches) == 1 and len(endpoint.requests) == 2 + is_broken
        assert journal.calls.spent() == pytest.approx(endpoint.bill(PRICES), rel=1e-12)
        failed = [(n, "failed", True) for n in (1, 2, 3, *[4] * is_broken)]
        alone = [(n, "done", False) for n in (2, 3, *[4] * is_broken)]
        answered = [(n, "done", True) for n in (0, *[4] * (not is_broken))]
        assert sorted(states(journal)) == sorted([*failed, *alone, *answered])
        assert "1 calls of batch batch_1 have no answer" in found.said


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(120):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_outlives_the_session(name: str, tmp_path: Path) -> None:
    """Drained while a batch is pending: it stays, on the bill at its bound, and the next session collects it."""
    endpoint = BatchEndpoint(reply)
    endpoint.released.clear()
    answers: list[Any] = []

    async def stop(s: Session) -> None:
        asked = asyncio.ensure_future(s.ask(*range(3)))
        await until(lambda: endpoint.polls > 0)
        s.steps.stop.drain()
        assert all(isinstance(each, RunInterrupted) for each in await asked)

    async def go_on(s: Session) -> None:
        asked = asyncio.ensure_future(s.ask(*range(4)))
        await until(lambda: len(endpoint.batches) == 2)
        endpoint.released.set()
        answers.extend(await asked)

    with serve_endpoint(endpoint):
        with journal_in(tmp_path) as journal:
            found = session(journal, endpoint, name, stop)
            assert "3 calls" in found.said and "batch_1" in found.said and "resume" in found.said
            reserved = journal.calls.spent()
            assert reserved > 0
        with journal_in(tmp_path) as journal:
            assert journal.calls.spent() == pytest.approx(reserved)
            session(journal, endpoint, name, go_on)
            assert [a.text for a in answers] == [f"You said: Call number {n}." for n in range(4)]
            assert [len(batch.calls) for batch in endpoint.batches.values()] == [3, 1]
            assert states(journal) == [(n, "done", True) for n in range(4)]
            assert journal.calls.spent() == pytest.approx(endpoint.bill(PRICES), rel=1e-12)
    assert not endpoint.requests


@pytest.mark.parametrize("name", MODELS)
def test_a_submission_whose_answer_is_lost_is_found_again(name: str, tmp_path: Path) -> None:
    """The connection breaks after the batch was accepted; others of the same size and time are not taken for it."""
    endpoint = BatchEndpoint(reply)
    answers: list[Any] = []

    async def act(s: Session) -> None:
        await s.ask(0, 1)
        endpoint.dropped = 1
        answers.extend(await s.ask(2, 3))

    with journal_in(tmp_path) as journal, serve_endpoint(endpoint):
        with_foreign(endpoint, name)
        session(journal, endpoint, name, act)
        assert [a.text for a in answers] == [f"You said: Call number {n}." for n in (2, 3)]
        assert len(endpoint.batches) == 3 and not endpoint.requests
        assert journal.calls.spent() == pytest.approx(endpoint.bill(PRICES), rel=1e-12)


def with_foreign(endpoint: BatchEndpoint, name: str) -> None:
    """Another program's batch of two calls, at the same provider."""
    path = "/v1/messages" if name.startswith("anthropic") else "/v1/chat/completions"
    endpoint.batches["batch_1"] = HeldBatch("batch_1", [("a", {}), ("b", {})], {}, path, status="completed")
    endpoint.batches["batch_1"].counts["expired"] = 2
    endpoint.batches["batch_1"].lines = [expired(id, path) for id in "ab"]


@pytest.mark.parametrize("name", MODELS)
def test_a_session_that_ends_during_the_submission_submits_once(name: str, tmp_path: Path) -> None:
    """As after SIGKILL: nothing is written when the session ends, and the provider has what it never confirmed."""
    endpoint = BatchEndpoint(reply)
    endpoint.keeps_silent = True
    answers: list[Any] = []

    async def die(s: Session) -> None:
        asked = asyncio.ensure_future(s.ask(0, 1))
        await until(lambda: bool(endpoint.batches))
        s.steps.in_flight.cancel()
        await asked

    async def go_on(s: Session) -> None:
        answers.extend(await s.ask(0, 1))

    with serve_endpoint(endpoint):
        with journal_in(tmp_path) as journal:
            session(journal, endpoint, name, die)
        endpoint.keeps_silent = False
        with journal_in(tmp_path) as journal:
            session(journal, endpoint, name, go_on)
            assert [a.text for a in answers] == [f"You said: Call number {n}." for n in (0, 1)]
            assert len(endpoint.batches) == 1 and not endpoint.requests
            assert journal.calls.spent() == pytest.approx(endpoint.bill(PRICES), rel=1e-12)


def test_a_submission_that_never_arrived_is_made_again(tmp_path: Path) -> None:
    endpoint = BatchEndpoint(reply)
    endpoint.keeps_silent = True
    answers: list[Any] = []

    async def die(s: Session) -> None:
        asked = asyncio.ensure_future(s.ask(0, 1))
        await until(lambda: bool(endpoint.batches))
        s.steps.in_flight.cancel()
        await asked

    async def go_on(s: Session) -> None:
        answers.extend(await s.ask(0, 1))

    with serve_endpoint(endpoint):
        with journal_in(tmp_path) as journal:
            session(journal, endpoint, MODELS[0], die)
        endpoint.keeps_silent = False
        endpoint.batches.clear()
        with journal_in(tmp_path) as journal:
            session(journal, endpoint, MODELS[0], go_on)
            assert [a.text for a in answers] == [f"You said: Call number {n}." for n in (0, 1)]
            assert len(endpoint.batches) == 1
            assert journal.calls.spent() == pytest.approx(endpoint.bill(PRICES), rel=1e-12)


def test_calls_that_wait_for_a_batch_cost_nothing_when_the_session_dies(tmp_path: Path) -> None:
    endpoint = BatchEndpoint(reply)

    async def die(s: Session) -> None:
        asked = asyncio.ensure_future(s.ask(0, 1))
        await until(lambda: s.steps.journal.calls.spent() > 0)
        s.steps.in_flight.cancel()
        await asked

    with serve_endpoint(endpoint):
        with journal_in(tmp_path) as journal:
            session(journal, endpoint, MODELS[0], die, QUICK.model_copy(update={"linger_seconds": 100.0}))
            assert journal.calls.spent() > 0
        with journal_in(tmp_path) as journal:
            assert journal.calls.spent() == 0
            assert {state for _, state, _ in states(journal)} == {"failed"}
    assert not endpoint.batches


def test_a_budget_holds_over_batches(tmp_path: Path) -> None:
    """Twenty calls for which there is money for a few at a time: these go, and others when they have settled."""
    endpoint = BatchEndpoint(reply)
    answers: list[Any] = []

    async def act(s: Session) -> None:
        answers.extend(await s.ask(*range(20)))

    with journal_in(tmp_path) as journal, serve_endpoint(endpoint):
        session(journal, endpoint, MODELS[0], act, budget=0.015, selection_share=0)
        assert journal.calls.spent() == pytest.approx(endpoint.bill(PRICES), rel=1e-12)
        assert journal.calls.spent() <= 0.015
        assert len(endpoint.batches) > 1 and not endpoint.requests
    answered = [each for each in answers if isinstance(each, Completion)]
    # The bound of a call is more than 0.005 USD in a batch; what it costs, 0.0005.
    assert len(answered) > 10 and len(answered) == sum(len(batch.calls) for batch in endpoint.batches.values())
    assert all(isinstance(each, Completion | BudgetReached) for each in answers)


def test_an_endpoint_without_batches_is_said_to_be_one(tmp_path: Path) -> None:
    endpoint = BatchEndpoint(reply)
    endpoint.no_batches = True
    answers: list[Any] = []

    async def act(s: Session) -> None:
        answers.extend(await s.ask(0, 1))

    with journal_in(tmp_path) as journal, serve_endpoint(endpoint):
        session(journal, endpoint, MODELS[0], act)
        assert all(isinstance(each, AccessRefused) for each in answers)
        assert "has no batch API" in str(answers[0]) and "operation.batch.stages=()" in str(answers[0])
        assert journal.calls.spent() == 0


@pytest.mark.parametrize("case", ["refused", "late"])
def test_a_batch_that_is_refused_or_late_becomes_single_calls(case: str, tmp_path: Path) -> None:
    endpoint, batch = BatchEndpoint(reply), QUICK
    if case == "refused":
        endpoint.refused = "too many tokens are enqueued"
    else:
        endpoint.released.clear()
        batch = QUICK.model_copy(update={"hours": 1e-9})
    answers: list[Any] = []

    async def act(s: Session) -> None:
        answers.extend(await s.ask(0, 1, stage="rank"))

    with journal_in(tmp_path) as journal, serve_endpoint(endpoint):
        found = session(journal, endpoint, MODELS[0], act, batch)
        assert [a.text for a in answers] == [f"You said: Call number {n}." for n in (0, 1)]
        assert len(endpoint.batches) == 1 and len(endpoint.requests) == 2
        assert journal.calls.spent() == pytest.approx(endpoint.bill(PRICES), rel=1e-12)
    assert ("too many tokens" if case == "refused" else "is cancelled") in found.said


def test_only_models_with_a_batch_api_are_taken() -> None:
    settings = load_settings(model="fake", operation={"batch": {"stages": ["relevance"]}})
    with pytest.raises(BadSettings, match=r"relevance go to fake.*openai/NAME and anthropic/NAME"):
        open_models(settings)


def test_prices_in_a_batch(tmp_path: Path) -> None:
    listed = {**PRICES, "input_cost_per_token_batches": 2e-6, "output_cost_per_token_batches": 6e-5}
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({"openai/listed": listed, "openai/other": PRICES}))
    assert batch_factors("openai/listed", path) == pytest.approx((0.2, 0.6))
    assert batch_factors("openai/other", path) == batch_factors("openai/unknown") == (0.5, 0.5)
    assert batch_factors("anthropic/claude-sonnet-4-5") == pytest.approx((0.5, 0.5))


def test_batches_are_split_where_a_provider_takes_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OpenAIBatches, "most_calls", 2)
    endpoint = BatchEndpoint(reply)

    with journal_in(tmp_path) as journal, serve_endpoint(endpoint):
        session(journal, endpoint, MODELS[0], lambda s: s.ask(*range(5)))
        assert {state for _, state, _ in states(journal)} == {"done"}
    assert sorted(len(batch.calls) for batch in endpoint.batches.values()) == [1, 2, 2]


def test_parameters_reach_calls_in_batches(tmp_path: Path) -> None:
    """Also the Responses API, whose batches have an endpoint of their own."""
    endpoint = BatchEndpoint(reply)
    answers: list[Any] = []

    async def act(s: Session) -> None:
        answers.extend(await s.ask(0, 1))

    with journal_in(tmp_path) as journal, serve_endpoint(endpoint):
        parameters = Parameters(api="responses", top_p=0.3)
        session(journal, endpoint, MODELS[0], act, parameters=parameters)
        assert [a.text for a in answers] == [f"You said: Call number {n}." for n in (0, 1)]
        assert journal.calls.spent() == pytest.approx(endpoint.bill(PRICES), rel=1e-12)
    (batch,) = endpoint.batches.values()
    assert batch.path == "/v1/responses" and {body["top_p"] for _, body in batch.calls} == {0.3}

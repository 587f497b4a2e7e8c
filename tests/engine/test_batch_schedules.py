"""Batches over random sessions, killed at any moment; the provider breaks connections, and answers in part."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codemonkeys.engine.steps import Steps
from codemonkeys.errors import BudgetReached, RetriesExhausted
from codemonkeys.journal.store import Journal
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Message, Price, Request, Usage
from codemonkeys.models.batching import BatchFactors, HeldRequest, Hold, Unanswered
from codemonkeys.models.roles import ModelSet
from codemonkeys.settings import BatchSettings, OperationSettings
from sandboxes.base import Execution, Reason
from tests.fakes import TASK, AnsweringModel, AnsweringSandbox

SANDBOX = AnsweringSandbox(lambda script, patch: Execution(Reason.EXITED, 0))
QUICK = BatchSettings(stages=("relevance",), linger_seconds=0.001, poll_seconds=0.0002)
CALLS, MOST = 8, 20


class Provider:
    """Batches as OpenAI has them, over no network; what it answers and charges is up to chance."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.files: list[bytes] = []
        self.batches: list[dict[str, Any]] = []
        self.results: list[str] = []
        self.accepted: Counter[str] = Counter()
        """How often each call came in a batch that answered it, or after one that did.

        One that a batch left unanswered, which costs nothing, may come again in a later session.
        """
        self.charged = 0
        """Tokens, at the price of single calls."""

    def __call__(self, request: httpx.Request) -> httpx.Response:
        method, path = request.method, request.url.path.removeprefix("/v1")
        if self.random.random() < 0.1:
            raise httpx.ConnectError("it is away")
        answer = self._answer(method, path, request)
        if self.random.random() < 0.2:
            raise httpx.ReadError("the connection breaks after the request was carried out")
        return answer

    def _answer(self, method: str, path: str, request: httpx.Request) -> httpx.Response:
        if path == "/files":
            self.files.append(request.content)
            return httpx.Response(200, json={"id": str(len(self.files) - 1)})
        if (method, path) == ("POST", "/batches"):
            return httpx.Response(200, json=self._accept(json.loads(request.content)))
        if path == "/batches":
            return httpx.Response(200, json={"data": self.batches[::-1]})
        number = int(path.split("/")[2])
        if path.endswith("/content"):
            return httpx.Response(200, text=self.results[number])
        if self.random.random() < 0.5:
            self.batches[number]["status"] = "expired"
        return httpx.Response(200, json=self.batches[number])

    def _accept(self, given: dict[str, Any]) -> dict[str, Any]:
        file = self.files[int(given["input_file_id"])]
        lines = [json.loads(line) for line in file.splitlines() if b"custom_id" in line]
        number = str(len(self.batches))
        batch = {"id": number, "output_file_id": number, "metadata": given["metadata"], "status": "in_progress"}
        self.batches.append(batch)
        results = []
        for line in lines:
            used = self.random.randrange(MOST + 1)
            answered = self.random.random() < 0.7
            call = line["body"]["call"]
            self.accepted[call] += answered or self.accepted[call] > 0
            self.charged += used * answered
            response = {"status_code": 200, "body": {"used": used}} if answered else None
            results.append({"custom_id": line["custom_id"], "response": response})
        self.random.shuffle(results)
        self.results.append("\n".join(json.dumps(line) for line in results))
        return batch


class BatchingModel(AnsweringModel):
    """A model whose calls cost a cent a token, and half of that in a batch."""

    batch_factors = BatchFactors(0.5, 0.5)

    def __init__(self, provider: Provider) -> None:
        super().__init__(lambda request: "alone", price=Price(completion=0.01))
        self.provider = provider

    def http(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self.provider))

    async def complete_in_batch(self, request: Request, hold: Hold) -> Completion:
        body = json.dumps({"call": str(request.key.sample)}).encode()
        answer = await hold(HeldRequest("http://provider/v1/chat/completions", {}, body))
        return Completion("batched", "stop", Usage(0, json.loads(answer.body)["used"]), self.name)

    async def complete(self, request: Request) -> Completion:
        await asyncio.sleep(0)
        return Completion("alone", "stop", Usage(0, 1), self.name)


async def session(journal: Journal, provider: Provider, limit: float, dies_after: float | None) -> None:
    """All calls; at some moment everything in flight is given up, as when the process is killed."""
    model = BatchingModel(provider)
    operation = OperationSettings(batch=QUICK, budget=limit, selection_share=0)
    steps = Steps(journal, ModelSet(model, model), SANDBOX, operation)

    async def one(number: int) -> None:
        request = Request(StepKey(TASK.id, "relevance", number), (Message("user", "Hello"),), max_tokens=MOST)
        with suppress(BudgetReached, RetriesExhausted, Unanswered):
            await steps.calls.call(request)

    async def watch() -> None:
        while True:
            assert journal.calls.spent() <= limit + 1e-9
            await asyncio.sleep(0.001)

    watching = asyncio.ensure_future(watch())
    asked = [asyncio.ensure_future(one(number)) for number in range(CALLS)]
    if dies_after is not None:
        await asyncio.sleep(dies_after)
        steps.in_flight.cancel()
        for call in asked:
            call.cancel()
    ended = await asyncio.gather(*asked, return_exceptions=True)
    await steps.in_flight.drain()
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    steps.close()
    for error in ended:
        if isinstance(error, Exception) and dies_after is None:
            raise error


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 1 << 30),
    deaths=st.lists(st.floats(0, 0.03), max_size=4),
    limit=st.sampled_from([0.25, 0.7, 100.0]),
)
def test_no_call_that_a_batch_answers_is_in_another(
    seed: int, deaths: list[float], limit: float, tmp_path: Path
) -> None:
    provider, name = Provider(seed), f"run-{uuid.uuid4()}"
    for dies_after in (*deaths, None):
        with closing(Journal(tmp_path, name, "source", {})) as journal:
            journal.add_tasks([TASK])
            asyncio.run(session(journal, provider, limit, dies_after))
            spent = journal.calls.spent()
            rows = journal._writer.connection.execute(
                "SELECT state, coalesce(sum(completion_tokens), 0), coalesce(sum(cost_usd), 0), batch > 0 "
                "FROM calls GROUP BY state, batch > 0"
            ).fetchall()
    assert max(provider.accepted.values(), default=0) <= 1
    in_batches = sum(tokens for state, tokens, _, batched in rows if state == "done" and batched)
    assert in_batches == provider.charged
    assert spent == pytest.approx(sum(cost for _, _, cost, _ in rows)) and spent <= limit + 1e-9
    cost_of_batches = sum(cost for state, _, cost, batched in rows if state == "done" and batched)
    assert cost_of_batches == pytest.approx(provider.charged * 0.01 / 2)
    if limit == 100.0:
        assert sum(1 for state, *_ in rows if state == "started") == 0

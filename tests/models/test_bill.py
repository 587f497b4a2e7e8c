"""What an endpoint charges, and what is booked of it."""

from __future__ import annotations

import asyncio
import json
from contextlib import closing
from pathlib import Path

import pytest

from codemonkeys.engine.steps import Steps
from codemonkeys.errors import NoUsableAnswers, RetriesExhausted
from codemonkeys.journal import queries, run_files
from codemonkeys.journal.store import Journal
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Message, Request
from codemonkeys.models.hosted import HostedModel
from codemonkeys.models.retry import Patience
from codemonkeys.models.roles import ModelSet
from codemonkeys.settings import OperationSettings
from sandboxes.base import Execution, Reason
from tests.fakes import TASK, AnsweringSandbox
from tests.models.endpoint import Reply, Seen, answer, serve, status

PRICES = {"input_cost_per_token": 1e-5, "output_cost_per_token": 1e-4}
MAX_TOKENS = 50
SANDBOX = AnsweringSandbox(lambda script, patch: Execution(Reason.EXITED, 0))
CHARGED = {
    "hang": Reply(hang=True),
    "cut": Reply(body='{"id": "cut", "choi', cut=True),
    "half a body": Reply(body='{"id": "cut", "choi'),
    "reset": Reply(reset=True),
    "500": status(500),
    "502": status(502),
    "504": status(504),
}
FREE = {
    "429": status(429),
    "503": status(503),
    "529": status(529),
    "overloaded": status(500, type="overloaded_error", message="overloaded_error"),
}


class Provider:
    """Fails twice in each way before it answers, and keeps its own bill: all tokens of what it may charge for."""

    def __init__(self) -> None:
        self.bill = 0.0
        self._seen: dict[str, int] = {}

    def __call__(self, seen: Seen) -> Reply:
        fault = seen.text.rpartition(" ")[2].replace("_", " ")
        times = self._seen[fault] = self._seen.get(fault, 0) + 1
        prompt = len(seen.text) // 4
        if times <= 2 and fault in FREE:
            return FREE[fault]
        written = MAX_TOKENS if times <= 2 else 7
        self.bill += prompt * PRICES["input_cost_per_token"] + written * PRICES["output_cost_per_token"]
        if times <= 2:
            return CHARGED[fault]
        return answer("Hello.", {"prompt_tokens": prompt, "completion_tokens": 7, "total_tokens": prompt + 7})


def about(number: int, fault: str) -> Request:
    """A call that meets a fault."""
    message = Message("user", f"Hello, this is about {fault.replace(' ', '_')}")
    return Request(StepKey(TASK.id, "edit", number), (message,), max_tokens=MAX_TOKENS)


@pytest.mark.usefixtures("both_routes")
@pytest.mark.slow
def test_every_attempt_that_the_endpoint_may_charge_is_booked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-0123456789")
    (tmp_path / "prices.json").write_text(json.dumps({"openai/test": PRICES}))
    provider = Provider()

    async def ask(url: str, seconds: float, faults: dict[int, str]) -> None:
        patience = Patience(attempts=3, backoff=0.001)
        model = HostedModel("openai/test", url, seconds, patience, registry=tmp_path / "prices.json")
        # It counts as we do: of a provider that is not known, bounds allow for more.
        operation = OperationSettings(token_ratio=1.25, reasoning_beside=False)
        steps = Steps(journal, ModelSet(model, model), SANDBOX, operation)
        await asyncio.gather(*(steps.calls.call(about(number, fault)) for number, fault in faults.items()))
        await steps.in_flight.drain()
        steps.close()
        await model.close()

    faults = dict(enumerate([*CHARGED, *FREE]))
    with closing(Journal(tmp_path, "run", "source", {})) as journal, serve(provider) as endpoint:
        journal.add_tasks([TASK])
        never = {0: faults.pop(0)}
        asyncio.run(ask(endpoint.url, 120, faults))  # First: litellm loads parts of itself at the first call.
        asyncio.run(ask(endpoint.url, 2, never))
        spent = journal.calls.spent()
    assert len(endpoint.requests) == 3 * (len(CHARGED) + len(FREE))
    with run_files.reading(tmp_path / "run" / "run.db") as connection:
        calls = queries.rows(connection, "SELECT sample, state, cost_usd FROM calls ORDER BY id")
        unanswered = queries.unanswered(connection)
    failed = sorted(call["sample"] for call in calls if call["state"] == "failed")
    assert failed == sorted([*range(len(CHARGED)), *range(len(CHARGED))])
    answered = sum(call["cost_usd"] for call in calls if call["state"] == "done")
    assert spent == pytest.approx(answered + unanswered["cost_usd"])
    # Attempts without an answer are booked at bounds, which are a little more than what there was to charge.
    assert provider.bill <= spent <= 1.2 * provider.bill


@pytest.mark.usefixtures("both_routes")
@pytest.mark.slow
def test_an_endpoint_that_nobody_answers_at_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-0123456789")
    (tmp_path / "prices.json").write_text(json.dumps({"openai/test": PRICES}))

    async def ask() -> None:
        patience = Patience(attempts=2, backoff=0.001)
        model = HostedModel("openai/test", "http://127.0.0.1:9/v1", 5, patience, registry=tmp_path / "prices.json")
        steps = Steps(journal, ModelSet(model, model), SANDBOX, OperationSettings())
        with pytest.raises(RetriesExhausted):
            await steps.calls.call(Request(StepKey(TASK.id, "edit"), (Message("user", "Hello"),)))
        steps.close()
        await model.close()

    with closing(Journal(tmp_path, "run", "source", {})) as journal:
        journal.add_tasks([TASK])
        asyncio.run(ask())
        assert journal.calls.spent() == 0.0


THINKS_ALL = {
    "prompt_tokens": 40,
    "completion_tokens": MAX_TOKENS,
    "total_tokens": 40 + MAX_TOKENS,
    "completion_tokens_details": {"reasoning_tokens": MAX_TOKENS},
}
BESIDE = {**THINKS_ALL, "completion_tokens": 0}


@pytest.mark.slow
@pytest.mark.parametrize("usage", [THINKS_ALL, BESIDE])
def test_thinking_that_eats_every_answer_stops_the_run_with_the_right_bill(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, usage: dict[str, int]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-0123456789")
    (tmp_path / "prices.json").write_text(json.dumps({"openai/test": PRICES}))

    async def ask(url: str) -> list[object]:
        model = HostedModel("openai/test", url, 60, concurrency=4, registry=tmp_path / "prices.json")
        steps = Steps(journal, ModelSet(model, model), SANDBOX, OperationSettings(empty_answers=6))
        found = await asyncio.gather(
            *(steps.calls.call(about(number, "thinking")) for number in range(40)), return_exceptions=True
        )
        await steps.in_flight.drain()
        steps.close()
        await model.close()
        return list(found)

    thinking = answer(None, usage, "length")
    with closing(Journal(tmp_path, "run", "source", {})) as journal, serve(lambda seen: thinking) as endpoint:
        journal.add_tasks([TASK])
        found = asyncio.run(ask(endpoint.url))
        spent = journal.calls.spent()
    stopped = [each for each in found if isinstance(each, NoUsableAnswers)]
    assert stopped and f"{MAX_TOKENS} of them for thinking" in str(stopped[0])
    assert 6 <= len(endpoint.requests) <= 10  # Those in flight end.
    assert spent == pytest.approx(
        len(endpoint.requests) * (40 * PRICES["input_cost_per_token"] + MAX_TOKENS * PRICES["output_cost_per_token"])
    )
    with run_files.reading(tmp_path / "run" / "run.db") as connection:
        calls = queries.rows(connection, "SELECT finish_reason, prompt_tokens, completion_tokens FROM calls")
    answered = [tuple(call.values()) for call in calls if call["finish_reason"]]
    assert answered == [("cut", 40, MAX_TOKENS)] * len(endpoint.requests)

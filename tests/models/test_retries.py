"""What is asked again and what is not: real exceptions of litellm and aiohttp, from a real HTTP endpoint."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from codemonkeys.errors import (
    AccessRefused,
    FilteredAnswer,
    ModelError,
    NoAnswer,
    PromptTooLong,
    RejectedRequest,
    RetriesExhausted,
)
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Message, Request
from codemonkeys.models.hosted import HostedModel
from codemonkeys.models.retry import Passing, Patience, Retry, retry_after
from tests.models.endpoint import Endpoint, Reply, Responder, answer, in_turn, serve, status

REQUEST = Request(StepKey("task-1", "edit", 2, 3), (Message("system", "Be brief."), Message("user", "Hello?")))
QUICK = Patience(attempts=3, seconds=60, backoff=0.001)
KEY = "sk-canary-0123456789abcdef"
HALF = '{"id": "cut", "choi'


def ask(
    responder: Responder, name: str = "openai/test", request: Request = REQUEST, timeout: float = 20
) -> tuple[Completion | Exception, Endpoint]:
    """Ask once; the answer or what was raised, and what the endpoint saw."""

    async def once(url: str) -> Completion | Exception:
        model = HostedModel(name, url, timeout, QUICK)
        try:
            return await model.complete(request)
        except ModelError as error:
            return error
        finally:
            await model.close()

    with serve(responder) as endpoint:
        return asyncio.run(once(endpoint.url)), endpoint


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in ("OPENAI", "ANTHROPIC", "GEMINI", "DEEPSEEK", "AZURE"):
        monkeypatch.setenv(f"{provider}_API_KEY", KEY)


DRAINED: dict[str, Any] = {
    "type": "insufficient_quota",
    "code": "insufficient_quota",
    "message": "You exceeded your current quota",
}
TOO_LONG: dict[str, Any] = {
    "code": "context_length_exceeded",
    "message": "This model's maximum context length is 10 tokens",
}
WITHHELD: dict[str, Any] = {"code": "content_policy_violation", "message": "content_policy_violation"}
PASSES = {
    **{str(code): status(code) for code in (408, 409, 425, 429, 498, 499, 500, 502, 503, 504, 529)},
    "429 with Retry-After": status(429, {"Retry-After": "0.01"}),
    "connection cut": Reply(body=HALF, cut=True),
    "connection reset": Reply(reset=True),
    "half a body": Reply(body=HALF),
    "no JSON": Reply(body="<html>Bad gateway</html>"),
    "no choices": Reply(body=json.dumps({**json.loads(answer("x").body), "choices": []})),
    "choices null": Reply(body=json.dumps({**json.loads(answer("x").body), "choices": None})),
    "an error with status 200": Reply(
        body=json.dumps({"error": {"message": "Slow down", "code": "rate_limit_exceeded"}})
    ),
    "broke off": answer("Half an", finish_reason="insufficient_system_resource"),
}
STAYS: dict[str, tuple[Reply, type[ModelError]]] = {
    **{str(code): (status(code), RejectedRequest) for code in (400, 422)},
    "413": (status(413), PromptTooLong),
    **{str(code): (status(code), AccessRefused) for code in (401, 402, 403, 404)},
    "429 of a drained account": (status(429, **DRAINED), AccessRefused),
    "prompt too long": (status(400, **TOO_LONG), PromptTooLong),
    "prompt refused": (status(400, **WITHHELD), FilteredAnswer),
    "answer filtered": (answer("Half an", finish_reason="content_filter"), FilteredAnswer),
    "content null": (answer(None), NoAnswer),
    "content blank": (answer(" \n"), NoAnswer),
}


@pytest.mark.usefixtures("both_routes")
@pytest.mark.parametrize("case", PASSES)
@pytest.mark.slow
def test_what_may_pass_is_asked_again(case: str) -> None:
    got, endpoint = ask(in_turn(PASSES[case], PASSES[case], answer("Hello.")))
    assert isinstance(got, Completion), got
    assert (got.text, got.attempts) == ("Hello.", 3)
    assert len(endpoint.requests) == 3, got


@pytest.mark.usefixtures("both_routes")
@pytest.mark.parametrize("case", STAYS)
def test_what_stays_is_asked_once(case: str) -> None:
    reply, expected = STAYS[case]
    got, endpoint = ask(in_turn(reply))
    assert type(got) is expected, got
    assert "task-1 edit sample 3 turn 4: openai/test" in str(got)
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    "name",
    ["openai/test", "openai/gpt-4o", "hosted_vllm/test"]
    + ["anthropic/claude-sonnet-4-5", "gemini/gemini-2.5-pro", "deepseek/deepseek-chat", "azure/gpt-4o"],
)
@pytest.mark.parametrize("case", ["429", "503", "connection cut", "connection reset", "half a body"])
@pytest.mark.slow
def test_one_request_leaves_per_attempt(name: str, case: str) -> None:
    got, endpoint = ask(in_turn(PASSES[case]), name)
    assert isinstance(got, RetriesExhausted), got
    assert "3 attempts failed" in str(got)
    assert len(endpoint.requests) == 3, got


@pytest.mark.parametrize("name", ["openai/test", "anthropic/claude-sonnet-4-5"])
def test_overload_is_heard_whatever_litellm_makes_of_it(name: str) -> None:
    async def once(url: str) -> HostedModel:
        model = HostedModel(name, url, 20, QUICK)
        try:
            await model.complete(REQUEST)
        finally:
            await model.close()
        return model

    hello = answer("Hello.")
    if name.startswith("anthropic"):
        content = {"type": "message", "role": "assistant", "model": "m", "stop_reason": "end_turn", "id": "1"}
        usage = {"input_tokens": 9, "output_tokens": 9}
        hello = Reply(body=json.dumps({**content, "content": [{"type": "text", "text": "Hello."}], "usage": usage}))
    with serve(in_turn(status(529, type="overloaded_error", message="Overloaded"), hello)) as endpoint:
        model = asyncio.run(once(endpoint.url))
    assert model.throttle.reductions == 1


def test_a_model_that_wants_max_completion_tokens_gets_it_and_is_asked_so_from_then_on() -> None:
    message = "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."

    def respond(seen: Any) -> Reply:
        return status(400, message=message) if "max_tokens" in seen.body else answer("Hello.")

    async def thrice(url: str) -> list[int]:
        model = HostedModel("openai/test", url, 20, QUICK)
        try:
            at_once = await asyncio.gather(model.complete(REQUEST), model.complete(REQUEST))
            return [answered.attempts for answered in (*at_once, await model.complete(REQUEST))]
        finally:
            await model.close()

    with serve(respond) as endpoint:
        assert asyncio.run(thrice(endpoint.url)) == [1, 1, 1]
    sent = [seen.body.get("max_completion_tokens") for seen in endpoint.requests]
    assert sent.count(REQUEST.max_tokens) == 3 and sent[0] is None and sent[-1] is not None
    assert sent.count(None) <= 2


def test_content_in_parts_is_paid_once() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "Hello."}]
    body = json.loads(answer("x").body)
    body["choices"][0]["message"]["content"] = parts
    got, endpoint = ask(in_turn(Reply(body=json.dumps(body))))
    assert isinstance(got, Completion)
    assert (got.text, got.reasoning, got.attempts) == ("Hello.", "hm", 1)
    assert len(endpoint.requests) == 1


@pytest.mark.usefixtures("both_routes")
def test_no_answer_in_time_is_a_passing_failure() -> None:
    got, endpoint = ask(in_turn(Reply(hang=True), answer("Hello.")), timeout=1)
    assert isinstance(got, Completion) and got.attempts == 2
    assert len(endpoint.requests) == 2


@pytest.mark.usefixtures("both_routes")
def test_nobody_listens() -> None:
    async def once() -> None:
        model = HostedModel("openai/test", "http://127.0.0.1:9/v1", 5, QUICK)
        try:
            await model.complete(REQUEST)
        finally:
            await model.close()

    with pytest.raises(RetriesExhausted, match="3 attempts failed; the last: nothing answers at the endpoint"):
        asyncio.run(once())


@pytest.mark.usefixtures("both_routes")
@pytest.mark.parametrize("code", [400, 401, 403, 404, 429, 500])
def test_an_echoed_key_is_in_no_message(code: int) -> None:
    def echo(*_: object) -> Reply:
        return status(code, message=f"these headers are bad: authorization: Bearer {KEY}, x-api-key: {KEY}")

    for name in ("openai/test", "anthropic/claude-sonnet-4-5"):
        got, endpoint = ask(echo, name)
        assert isinstance(got, ModelError)
        assert KEY in str(endpoint.requests[0].headers)
        assert KEY not in str(got) and "redacted" in str(got).lower()
        assert got.__suppress_context__ or got.__context__ is None


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.time = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


def failing(times: int, wait: float) -> Callable[[], asyncio.Future[str]]:
    """An attempt that fails so many times before it succeeds."""
    left = times

    async def attempt() -> str:
        nonlocal left
        left -= 1
        if left >= 0:
            raise Passing("busy", wait)
        return "done"

    return lambda: asyncio.ensure_future(attempt())


def test_waits_grow_at_random_and_are_bounded() -> None:
    clock = Clock()
    retry = Retry(Patience(attempts=9, backoff=1, longest_backoff=10), clock, clock.sleep)
    assert asyncio.run(retry.run(failing(8, 0), "call")) == ("done", 9)
    bounds = [1, 2, 4, 8, 10, 10, 10, 10]
    assert len(clock.slept) == 8
    assert all(0 <= slept <= bound for slept, bound in zip(clock.slept, bounds, strict=True))
    assert len(set(clock.slept)) > 4


def test_retry_after_is_the_least_wait() -> None:
    clock = Clock()
    retry = Retry(Patience(attempts=3, backoff=1), clock, clock.sleep)
    assert asyncio.run(retry.run(failing(2, 30), "call")) == ("done", 3)
    assert clock.slept == [30, 30]


def test_all_calls_of_a_model_wait_together() -> None:
    clock = Clock()
    retry = Retry(Patience(attempts=2, backoff=0.001), clock, clock.sleep)
    began: list[float] = []

    async def other() -> str:
        began.append(clock.time)
        return "done"

    async def both() -> None:
        told = asyncio.create_task(retry.run(failing(1, 30), "first"))
        async with asyncio.timeout(60):
            while not clock.slept:
                await asyncio.sleep(0)
        clock.time = 100.0  # The first call sleeps; the second one comes now.
        await retry.run(other, "second")
        await told

    asyncio.run(both())
    assert began == [130]


def test_patience_ends() -> None:
    clock = Clock()
    retry = Retry(Patience(attempts=100, seconds=100), clock, clock.sleep)
    with pytest.raises(RetriesExhausted, match="1 attempt failed, and the provider asks to wait 500 s"):
        asyncio.run(retry.run(failing(5, 500), "call"))
    with pytest.raises(RetriesExhausted, match="asks to wait 500 s more"):
        asyncio.run(retry.run(failing(0, 0), "another call"))
    assert clock.slept == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, 0), ("", 0), ("7", 7), ("0.5", 0.5), ("-3", 0), ("nan", 0), ("inf", 0), ("soon", 0)]
    + [("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("Wed, 99 Oct 2015", 0)],
)
def test_retry_after_header(header: str | None, seconds: float) -> None:
    assert retry_after(header) == seconds


def test_retry_after_as_a_date() -> None:
    assert retry_after("Fri, 01 Jan 2106 00:00:00 GMT") > 1e8

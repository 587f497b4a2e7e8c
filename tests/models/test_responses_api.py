"""Models behind OpenAI's Responses API: what is sent, once, and what comes back."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from codemonkeys.errors import BadSettings, FilteredAnswer, ModelError, NoAnswer, RetriesExhausted
from codemonkeys.models import responses_api
from codemonkeys.models.base import Completion, Message, Request
from codemonkeys.models.hosted import HostedModel
from codemonkeys.models.parameters import Parameters
from codemonkeys.models.responses_api import check_responses
from codemonkeys.models.retry import Patience
from tests.models.endpoint import Endpoint, Reply, Responder, in_turn, serve, status
from tests.models.test_parameters import KEY
from tests.models.test_retries import QUICK

MESSAGES = (Message("system", "Be short."), Message("user", "One?"), Message("assistant", "1"), Message("user", "Two?"))
THOUGHT = {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "Count."}]}


def responded(text: str = "2", **changed: Any) -> Reply:
    """A response in OpenAI's protocol."""
    part = {"type": "output_text", "text": text, "annotations": []}
    message = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]}
    usage = {"input_tokens": 30, "input_tokens_details": {"cached_tokens": 20}, "total_tokens": 39}
    usage |= {"output_tokens": 9, "output_tokens_details": {"reasoning_tokens": 7}}
    body = {"id": "resp", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-5-2025"}
    body |= {"error": None, "incomplete_details": None, "output": [THOUGHT, message], "usage": usage}
    body |= {"parallel_tool_calls": True, "tool_choice": "auto", "tools": [], "service_tier": "flex"}
    return Reply(body=json.dumps({**body, **changed}))


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "canary-0123456789")


def ask(
    responder: Responder, parameters: Parameters, name: str = "openai/gpt-5", patience: Patience = QUICK
) -> tuple[Completion | ModelError, Endpoint]:
    async def once(url: str) -> Completion | ModelError:
        model = HostedModel(name, url, 20, patience)
        try:
            model.check_parameters(parameters, 99)
            return await model.complete(Request(KEY, MESSAGES, 0.5, 99, parameters=parameters))
        except ModelError as error:
            return error
        finally:
            await model.close()

    with serve(responder) as endpoint:
        return asyncio.run(once(endpoint.url)), endpoint


def test_what_is_sent_and_what_is_read() -> None:
    body, headers = {"truncation": "disabled"}, {"x-title": "ours"}
    asked = Parameters("high", service_tier="flex", api="responses", extra_body=body, extra_headers=headers)
    got, endpoint = ask(in_turn(responded()), asked)
    (seen,) = endpoint.requests
    assert (seen.path, seen.headers["authorization"]) == ("/v1/responses", "Bearer canary-0123456789")
    assert seen.headers["x-title"] == "ours"
    assert seen.body == {
        "model": "gpt-5",
        "input": [{"role": message.role, "content": message.content} for message in MESSAGES],
        "max_output_tokens": 99,
        "reasoning": {"effort": "high"},
        "service_tier": "flex",
        "store": False,
        "truncation": "disabled",
    }
    assert isinstance(got, Completion) and got.usage is not None
    assert (got.text, got.finish_reason, got.model, got.reasoning) == ("2", "stop", "gpt-5-2025", "Count.")
    usage = got.usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cache_read_tokens) == (30, 9, 20)
    assert usage.raw["output_tokens_details"]["reasoning_tokens"] == 7


def test_a_model_that_samples_gets_its_temperature() -> None:
    _, endpoint = ask(in_turn(responded()), Parameters(top_p=0.9, api="responses"), "openai/own")
    assert (endpoint.requests[0].body["temperature"], endpoint.requests[0].body["top_p"]) == (0.5, 0.9)


def test_a_cut_and_a_filtered_response() -> None:
    cut = responded("so far", status="incomplete", incomplete_details={"reason": "max_output_tokens"})
    got, _ = ask(in_turn(cut), Parameters(api="responses"))
    assert isinstance(got, Completion) and (got.text, got.finish_reason) == ("so far", "length")
    filtered = responded("", status="incomplete", incomplete_details={"reason": "content_filter"})
    assert isinstance(ask(in_turn(filtered), Parameters(api="responses"))[0], FilteredAnswer)
    failed = responded(status="failed", output=[], error={"code": "server_error", "message": "broken"})
    assert isinstance(ask(in_turn(failed), Parameters(api="responses"), patience=Patience(1))[0], ModelError)
    only_thought = responded(output=[THOUGHT])
    assert isinstance(ask(in_turn(only_thought), Parameters(api="responses"))[0], NoAnswer)


def test_each_attempt_is_one_request_and_failures_are_told_as_those_of_chat() -> None:
    for failure in (status(429, {"Retry-After": "0"}), status(500), Reply(reset=True)):
        got, endpoint = ask(in_turn(failure, responded()), Parameters(api="responses"))
        assert isinstance(got, Completion) and (got.attempts, len(endpoint.requests)) == (2, 2)
    refused, endpoint = ask(in_turn(status(401)), Parameters(api="responses"))
    assert "The API key is wrong" in str(refused) and len(endpoint.requests) == 1
    late, endpoint = ask(in_turn(status(429, {"Retry-After": "7200"})), Parameters(api="responses"))
    assert isinstance(late, RetriesExhausted) and "asks to wait 7200 s" in str(late)


def test_what_litellm_lacks_is_named_before_anything_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    """As some of its versions, which import a package that they do not install."""

    def lacking() -> Any:
        raise ModuleNotFoundError("No module named 'mcp'", name="mcp.types")

    monkeypatch.setattr(responses_api, "handler_of", lacking)
    with pytest.raises(BadSettings, match=r"openai/gpt-5: litellm .* lacks mcp.types .*: install mcp, or leave api="):
        check_responses("openai/gpt-5", "openai")

"""Calls through litellm, as the provider's side sees them."""

from __future__ import annotations

import asyncio
import gc
import inspect
import json
import subprocess
import sys
import threading
from typing import Any

import pytest

from codemonkeys.errors import BadSettings, MissingKey, UnusableModel
from codemonkeys.keys import StepKey
from codemonkeys.models import open_model
from codemonkeys.models.base import Completion, Message, Request, Usage
from codemonkeys.models.hosted import HostedModel
from codemonkeys.models.litellm_calls import in_thread
from codemonkeys.models.retry import Patience
from codemonkeys.models.usage import read_usage
from codemonkeys.settings import OperationSettings
from tests.models.endpoint import Endpoint, Reply, Responder, Seen, answer, in_turn, serve
from tests.models.test_retries import QUICK, REQUEST

CONVERSATION = Request(
    StepKey("task-1", "edit"),
    (
        Message("system", "System."),
        *(Message("user", "First."), Message("assistant", "Answer."), Message("user", "Second.")),
        *(Message("assistant", "Answer."), Message("user", "Third.")),
    ),
    temperature=0.5,
    max_tokens=99,
    cache=True,
)


def ask(responder: Responder, name: str, request: Request = CONVERSATION) -> tuple[Completion, Endpoint]:
    async def once(url: str) -> Completion:
        model = HostedModel(name, url, 20, QUICK)
        try:
            return await model.complete(request)
        finally:
            await model.close()

    with serve(responder) as endpoint:
        return asyncio.run(once(endpoint.url)), endpoint


def claude(usage: dict[str, int], content: list[dict[str, str]] | None = None) -> Reply:
    """An answer in Anthropic's own protocol."""
    text = [{"type": "text", "text": "Hello."}] if content is None else content
    message = {"id": "m", "type": "message", "role": "assistant", "model": "claude-x", "content": text}
    return Reply(body=json.dumps({**message, "stop_reason": "max_tokens", "usage": usage}))


def gemini(usage: dict[str, int]) -> Reply:
    """An answer in Google's own protocol."""
    candidate = {"content": {"role": "model", "parts": [{"text": "Hello."}]}, "finishReason": "STOP", "index": 0}
    return Reply(body=json.dumps({"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-x"}))


RECORDED: dict[str, tuple[str, Reply, tuple[int, int, int, int]]] = {
    "openai": (
        "openai/test",
        answer(
            "Hello.",
            {
                "prompt_tokens": 1200,
                "completion_tokens": 300,
                "total_tokens": 1500,
                "prompt_tokens_details": {"cached_tokens": 1024},
                "completion_tokens_details": {"reasoning_tokens": 200},
            },
        ),
        (1200, 300, 1024, 0),
    ),
    "openai through litellm": (
        "openai/gpt-4o",
        answer(
            "Hello.",
            {
                "prompt_tokens": 1200,
                "completion_tokens": 300,
                "total_tokens": 1500,
                "prompt_tokens_details": {"cached_tokens": 1024},
                "completion_tokens_details": {"reasoning_tokens": 200},
            },
        ),
        (1200, 300, 1024, 0),
    ),
    "deepseek": (
        "deepseek/deepseek-chat",
        answer(
            "Hello.",
            {
                "prompt_tokens": 1200,
                "completion_tokens": 30,
                "total_tokens": 1230,
                "prompt_cache_hit_tokens": 1000,
                "prompt_cache_miss_tokens": 200,
            },
        ),
        (1200, 30, 1000, 0),
    ),
    "anthropic": (
        "anthropic/claude-sonnet-4-5",
        claude(
            {
                "input_tokens": 50,
                "output_tokens": 30,
                "cache_creation_input_tokens": 400,
                "cache_read_input_tokens": 2000,
            }
        ),
        (2450, 30, 2000, 400),
    ),
    "gemini": (
        "gemini/gemini-2.5-pro",
        gemini(
            {
                "promptTokenCount": 1200,
                "candidatesTokenCount": 30,
                "thoughtsTokenCount": 500,
                "totalTokenCount": 1730,
                "cachedContentTokenCount": 1000,
            }
        ),
        (1200, 530, 1000, 0),
    ),
}


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in ("OPENAI", "ANTHROPIC", "GEMINI", "DEEPSEEK"):
        monkeypatch.setenv(f"{provider}_API_KEY", "canary-0123456789")


@pytest.mark.parametrize("provider", RECORDED)
def test_usage_of_each_provider(provider: str) -> None:
    name, reply, expected = RECORDED[provider]
    got, _ = ask(in_turn(reply), name)
    assert got.usage is not None
    u = got.usage
    assert (u.prompt_tokens, u.completion_tokens, u.cache_read_tokens, u.cache_write_tokens) == expected
    assert json.loads(json.dumps(dict(u.raw)))["prompt_tokens"]
    assert got.text == "Hello."
    assert got.finish_reason == ("length" if provider == "anthropic" else "stop")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, None),
        ({}, None),
        ({"prompt_tokens": 0, "completion_tokens": 0}, None),
        ({"prompt_tokens": 7, "completion_tokens": None}, (7, 0, 0, 0)),
        ({"prompt_tokens": 10, "completion_tokens": 1, "cache_read_input_tokens": 90}, (100, 1, 90, 0)),
        (
            {"prompt_tokens": 9, "completion_tokens": 5, "completion_tokens_details": {"reasoning_tokens": 70}},
            (9, 75, 0, 0, 70),
        ),
    ],
)
def test_usage_of_loose_endpoints(raw: dict[str, Any] | None, expected: tuple[int, ...] | None) -> None:
    if expected is None:
        assert read_usage(raw) is None
        return
    prompt, completion, read, written, *reasoning = expected
    assert read_usage(raw) == Usage(prompt, completion, read, written, raw or {}, *reasoning)


@pytest.mark.usefixtures("both_routes")
def test_an_answer_without_usage_is_taken() -> None:
    body = json.loads(answer("Hello.").body)
    del body["usage"]
    got, _ = ask(in_turn(Reply(body=json.dumps(body))), "openai/test")
    assert (got.text, got.usage) == ("Hello.", None)


@pytest.mark.usefixtures("both_routes")
def test_what_an_openai_compatible_endpoint_receives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    got, endpoint = ask(in_turn(answer("Hello.", finish_reason="length")), "openai/some/name")
    assert got.finish_reason == "length"
    (seen,) = endpoint.requests
    assert seen.path == "/v1/chat/completions"
    assert seen.body == {
        "model": "some/name",
        "messages": [{"role": m.role, "content": m.content} for m in CONVERSATION.messages],
        "temperature": 0.5,
        "max_tokens": 99,
    }
    monkeypatch.setenv("OPENAI_API_KEY", "canary-0123456789")
    _, endpoint = ask(in_turn(answer("Hello.")), "openai/some/name")
    assert endpoint.requests[0].headers["authorization"] == "Bearer canary-0123456789"


def test_cache_breakpoints() -> None:
    _, endpoint = ask(in_turn(claude({"input_tokens": 1, "output_tokens": 1})), "anthropic/claude-sonnet-4-5")
    body = endpoint.requests[0].body
    parts = [*body["system"], *(part for message in body["messages"] for part in message["content"])]
    assert [part["text"] for part in parts if "cache_control" in part] == ["System.", "Second.", "Third."]
    assert json.dumps(body).count("cache_control") == 3
    _, endpoint = ask(in_turn(claude({"input_tokens": 1, "output_tokens": 1})), "anthropic/claude-sonnet-4-5", REQUEST)
    assert "cache_control" not in json.dumps(endpoint.requests[0].body)


def test_missing_key(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    for variable in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    with pytest.raises(MissingKey, match="ANTHROPIC_API_KEY"):
        open_model("anthropic/claude-sonnet-4-5", OperationSettings())
    monkeypatch.setenv("OPENAI_API_KEY", "")
    with pytest.raises(MissingKey, match="OPENAI_API_KEY"):
        open_model("openai/gpt-4o", OperationSettings())
    with pytest.raises(BadSettings, match="names no provider"):
        open_model("no-such-model", OperationSettings())
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "name",
    ["replicate/meta/llama", "predibase/x", "sagemaker/x", "cohere/x", "azure/gpt-5-codex", "azure/responses/mine"],
)
def test_a_route_on_which_litellm_may_repeat_requests_by_itself_is_refused(name: str) -> None:
    with pytest.raises(UnusableModel, match=r"a client of its own.*or as openai/NAME with operation.api_base"):
        open_model(name, OperationSettings(api_base="http://127.0.0.1:9/v1"))


@pytest.mark.usefixtures("through_litellm")
def test_a_route_that_is_found_to_go_past_our_client_is_refused_after_one_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a later version of litellm may have them: it answers, and our client has sent nothing."""
    calls: list[str] = []

    async def past_our_client(arguments: dict[str, Any], provider: str, client: Any, blocks: bool) -> object:
        calls.append(provider)
        return object()

    async def once() -> None:
        model = HostedModel("openai/test", "http://127.0.0.1:9/v1", 60, QUICK)
        try:
            await model.complete(REQUEST)
        finally:
            await model.close()

    monkeypatch.setattr("codemonkeys.models.hosted.call", past_our_client)
    with pytest.raises(UnusableModel, match="it answered, but litellm reaches the provider openai") as raised:
        asyncio.run(once())
    assert calls == ["openai"] and raised.value.charged


@pytest.mark.usefixtures("both_routes")
def test_concurrency_is_limited() -> None:
    async def many(url: str) -> None:
        model = HostedModel("openai/test", url, 20, QUICK, concurrency=2)
        await asyncio.gather(*(model.complete(REQUEST) for _ in range(6)))
        await model.close()

    with serve(in_turn(answer("Hello.", seconds=0.05))) as endpoint:
        asyncio.run(many(endpoint.url))
    assert len(endpoint.requests) == 6
    assert endpoint.most_in_flight == 2


@pytest.mark.usefixtures("both_routes")
def test_a_model_can_be_used_after_close_and_in_another_loop() -> None:
    async def twice(model: HostedModel) -> None:
        for _ in range(2):
            await model.complete(REQUEST)
            await model.close()

    with serve(in_turn(answer("Hello."))) as endpoint:
        model = HostedModel("openai/test", endpoint.url, 20, Patience())
        asyncio.run(twice(model))
        asyncio.run(twice(model))
    assert len(endpoint.requests) == 4


@pytest.mark.usefixtures("both_routes")
@pytest.mark.slow
def test_a_call_can_be_abandoned() -> None:
    async def abandon(url: str) -> None:
        model = HostedModel("openai/test", url, 600, QUICK)
        call = asyncio.create_task(model.complete(REQUEST))
        async with asyncio.timeout(120):
            while not endpoint.requests and not call.done():
                await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.wait([call], timeout=120)
        assert call.cancelled()
        await model.close()

    with serve(in_turn(Reply(hang=True))) as endpoint:
        asyncio.run(abandon(endpoint.url))
    gc.collect()  # Connections left open would warn now, and warnings are errors.
    assert len(endpoint.requests) == 1


SILENT = """
import os, sys
before = dict(os.environ)
calls = []
own = sys.argv[1].rpartition(":")[2].partition("/")[0]
def audit(event, args):
    if event == "socket.connect" and str(args[1][1]) != own:
        calls.append(args[1])
    if event == "open" and str(args[0]).endswith(".env"):
        calls.append(args[0])
sys.addaudithook(audit)

import asyncio, threading
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Message, Request
from codemonkeys.models.hosted import HostedModel
from codemonkeys.models.litellm_calls import load
from codemonkeys.models.retry import Patience
from codemonkeys.models.tokens import count_tokens
from codemonkeys.errors import ModelError

at_once = [threading.Thread(target=target) for target in (load, load, lambda: count_tokens("x"))]
for thread in at_once: thread.start()
for thread in at_once: thread.join()
load().response_cost_calculator = lambda **of: calls.append("priced by litellm")

async def main():
    for name in "openai/test", "anthropic/claude-sonnet-4-5":
        model = HostedModel(name, sys.argv[1], 20, Patience(attempts=1), transport="litellm")
        for _ in range(2):
            try:
                await model.complete(Request(StepKey("t", "edit"), (Message("user", "Hello?"),), cache=True))
            except ModelError:
                pass
        await model.close()

asyncio.run(main())
assert not calls, calls
assert dict(os.environ) == before
"""


@pytest.mark.slow
def test_litellm_is_silent_and_calls_nobody(tmp_path: Any) -> None:
    """Also while it is imported, which leaves environment variables as they are."""

    def respond(seen: Seen) -> Reply:
        if seen.number == 0:
            return Reply(500, "no")
        return claude({"input_tokens": 1, "output_tokens": 1}) if "messages" in seen.path else answer("Hello.")

    (tmp_path / ".env").write_text("OPENAI_API_KEY=from-a-file\n")
    with serve(respond) as endpoint:
        ran = subprocess.run(
            [sys.executable, "-W", "error::ResourceWarning", "-c", SILENT, endpoint.url],
            capture_output=True, text=True, cwd=tmp_path,
        )  # fmt: skip
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert len(endpoint.requests) == 4


@pytest.mark.slow
def test_the_command_line_keeps_litellm_quiet() -> None:
    """Also where litellm prints what cannot be kept from a host program's output."""
    program = (
        "import logging, sys\nfrom codemonkeys.cli import main\nsys.argv = ['codemonkeys', 'settings']\n"
        "try: main()\nexcept SystemExit: pass\n"
        "from codemonkeys.models.litellm_calls import load\n"
        "print(load().suppress_debug_info, logging.getLogger('LiteLLM').isEnabledFor(logging.ERROR))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "True False"


def test_a_coroutine_that_a_thread_makes_for_an_abandoned_call_is_closed() -> None:
    begun, go_on = threading.Event(), threading.Event()

    async def request() -> None:
        raise AssertionError("nobody waits for this")

    coroutine = request()

    def prepare() -> Any:
        begun.set()
        assert go_on.wait(60)
        return coroutine

    async def abandon() -> None:
        call = asyncio.create_task(in_thread(prepare))
        assert await asyncio.to_thread(begun.wait, 60)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        go_on.set()
        async with asyncio.timeout(60):
            while inspect.getcoroutinestate(coroutine) != inspect.CORO_CLOSED:
                await asyncio.sleep(0.01)

    asyncio.run(abandon())


def test_a_provider_whose_requests_a_thread_prepares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_API_KEY", "canary-0123456789")
    got, endpoint = ask(in_turn(answer("Hello.")), "databricks/test")
    assert (got.text, len(endpoint.requests)) == ("Hello.", 1)


def test_models_that_only_complete_text() -> None:
    choice = {"index": 0, "finish_reason": "stop", "text": "Hello."}
    content = {"id": "test", "object": "text_completion", "created": 1, "model": "test", "choices": [choice]}
    got, endpoint = ask(in_turn(Reply(body=json.dumps(content))), "text-completion-openai/test")
    assert (got.text, endpoint.requests[0].path) == ("Hello.", "/v1/completions")

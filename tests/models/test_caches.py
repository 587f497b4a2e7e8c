"""What is asked of providers' caches, as their side sees it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from codemonkeys.models import providers
from codemonkeys.models.base import Request
from codemonkeys.models.hosted import HostedModel
from codemonkeys.settings import load_settings
from tests.models.endpoint import Reply, answer, in_turn, serve
from tests.models.test_hosted import CONVERSATION, ask, claude

OPENAI, ANTHROPIC = answer("Hello."), claude({"input_tokens": 1, "output_tokens": 1})
HOUR = replace(CONVERSATION, cache_hour=True)


def body_of(name: str, reply: Reply, request: Request = CONVERSATION) -> str:
    _, endpoint = ask(in_turn(reply), name, request)
    return json.dumps(endpoint.requests[0].body)


@pytest.mark.parametrize(
    ("name", "reply", "variables"),
    [
        ("anthropic/claude-sonnet-4-5", ANTHROPIC, ["ANTHROPIC_API_KEY"]),
        ("azure_ai/claude-sonnet-4-5", ANTHROPIC, ["AZURE_AI_API_KEY"]),
        ("openrouter/anthropic/claude-sonnet-4.5", OPENAI, ["OPENROUTER_API_KEY"]),
        ("litellm_proxy/claude-sonnet-4-5", OPENAI, ["LITELLM_PROXY_API_KEY"]),
        ("dashscope/qwen3-max", OPENAI, ["DASHSCOPE_API_KEY"]),
        ("minimax/MiniMax-M2.1", OPENAI, ["MINIMAX_API_KEY"]),
    ],
)
def test_breakpoints_reach_every_provider_that_takes_them(
    name: str, reply: Reply, variables: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in variables:
        monkeypatch.setenv(variable, "canary-0123456789")
    assert body_of(name, reply).count('"cache_control": {"type": "ephemeral"}') == 3
    of_an_hour = body_of(name, reply, HOUR).count('"cache_control": {"type": "ephemeral", "ttl": "1h"}')
    assert of_an_hour == (3 if providers.prefix(name) in ("anthropic", "openrouter") else 0)


@pytest.mark.parametrize(
    "name", ["openai/gpt-4o", "gemini/gemini-2.5-pro", "openrouter/google/gemini-2.5-pro", "deepseek/x"]
)
def test_others_get_plain_messages(name: str) -> None:
    assert all(isinstance(message["content"], str) for message in providers.messages(name, CONVERSATION))


def test_calls_of_a_task_and_stage_share_a_key_at_openai_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def key(request: Request, name: str = "openai/gpt-4o", api_base: str | None = None) -> Any:
        return providers.arguments(name, request, api_base, 1.0).get("prompt_cache_key")

    first = key(CONVERSATION)
    assert first == key(replace(CONVERSATION, key=CONVERSATION.key._replace(sample=3, turn=2)))
    keys = (CONVERSATION.key._replace(task="x"), CONVERSATION.key._replace(stage="x"))
    others = [replace(CONVERSATION, key=other) for other in keys]
    assert len({first, *map(key, others)}) == 3 and len(first) <= 64
    assert key(replace(CONVERSATION, cache=False)) is None
    assert key(CONVERSATION, api_base="http://localhost:8000/v1") is None
    assert key(CONVERSATION, "anthropic/claude-sonnet-4-5") is None
    with serve(in_turn(OPENAI)) as endpoint:
        monkeypatch.setenv("OPENAI_BASE_URL", endpoint.url)
        monkeypatch.setenv("OPENAI_API_KEY", "canary-0123456789")
        ask_at_home("openai/gpt-4o", CONVERSATION)
        assert endpoint.requests[0].body["prompt_cache_key"] == first


def ask_at_home(name: str, request: Request) -> None:
    """One call to where the provider is, as far as this process knows."""

    async def once() -> None:
        model = HostedModel(name)
        try:
            await model.complete(request)
        finally:
            await model.close()

    asyncio.run(once())


def test_caching_is_no_part_of_what_is_asked() -> None:
    assert HOUR.hash("m") == CONVERSATION.hash("m") == replace(CONVERSATION, cache=False).hash("m")


@pytest.mark.parametrize(
    ("configs", "hour"),
    [
        ([], False),
        (["sandbox.seconds=151"], True),
        (["sandbox.seconds=151", "operation.cache_ttl=5m"], False),
        (["operation.cache_ttl=1h"], True),
    ],
)
def test_an_hour_is_asked_for_where_scripts_may_be_slow(configs: list[str], hour: bool) -> None:
    assert load_settings(configs).keeps_caches_an_hour is hour

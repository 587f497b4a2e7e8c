"""A program that uses litellm itself finds it as it left it, whatever we call."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import gc
import os
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from codemonkeys.errors import ModelError
from codemonkeys.models.hosted import HostedModel
from codemonkeys.models.litellm_calls import load
from codemonkeys.models.retry import Patience
from tests.models.endpoint import Endpoint, Reply, Responder, Seen, answer, serve, status
from tests.models.test_hosted import claude
from tests.models.test_retries import QUICK, REQUEST

OURS = ("openai/gpt-4o", "anthropic/claude-sonnet-4-5", "deepseek/deepseek-chat", "azure/ours")
FAULTS = (status(429), status(500), status(401), Reply(reset=True), Reply(body="<html>"))


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in ("OPENAI", "ANTHROPIC", "DEEPSEEK", "AZURE"):
        monkeypatch.setenv(f"{provider}_API_KEY", "canary-0123456789")


@pytest.fixture
def litellm(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """litellm as a host program may have set it; its callbacks are afterwards as before."""
    module = load()
    monkeypatch.setattr(module, "suppress_debug_info", False)
    monkeypatch.setattr(module, "request_correlation_in_logs", True, raising=False)
    lists = {name: value for name, value in vars(module).items() if name.endswith("callback") or name == "callbacks"}
    before = {name: list(value) for name, value in lists.items() if isinstance(value, list)}
    yield module
    for name, value in before.items():
        getattr(module, name)[:] = value


def by_protocol(*faults: Reply) -> Responder:
    """An answer as the protocol of the request has it, after the faults."""

    def respond(seen: Seen) -> Reply:
        if seen.number < len(faults):
            return faults[seen.number]
        is_claude = seen.path.endswith("/messages")
        return claude({"input_tokens": 1, "output_tokens": 1}) if is_claude else answer("Hello.")

    return respond


class Heard:
    """What a host program's callback was told."""

    def __init__(self, litellm: Any) -> None:
        from litellm.integrations.custom_logger import CustomLogger

        self.models: list[str] = []
        told = self.models.append

        class Logger(CustomLogger):  # type: ignore[misc]
            def log_pre_api_call(self, model: str, messages: Any, kwargs: Any) -> None:
                told(f"{model} begins")

            async def async_log_success_event(self, kwargs: Any, *_: Any, **__: Any) -> None:
                told(kwargs["model"])

            async def async_log_failure_event(self, kwargs: Any, *_: Any, **__: Any) -> None:
                told(f"{kwargs['model']} failed")

            async def async_service_success_hook(self, *_: Any, **__: Any) -> None:
                told("a service")

        litellm.callbacks.append(Logger())
        litellm.success_callback.append(lambda kwargs, *_: None)

    async def wait(self, number: int) -> None:
        """Wait until so many answers were told of: litellm tells later, in a task."""
        async with asyncio.timeout(60):
            while self.models.count("host") < number:
                await asyncio.sleep(0.01)


def state() -> dict[str, Any]:
    """What a program can see of litellm and of its own surroundings: settings, functions, methods, clients."""
    litellm = load()
    found: dict[str, Any] = {f"${name}": value for name, value in os.environ.items()}
    found |= {f"context {variable.name}": value for variable, value in contextvars.copy_context().items()}
    for name, value in list(vars(litellm).items()):
        if isinstance(value, bool | int | float | str | list | dict | set | None) and not name.startswith("_"):
            found[name] = copy.copy(value)
    for module in [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == "litellm"]:
        for name, value in list(vars(module).items()):
            if callable(value):
                found[f"{module.__name__}:{name}"] = value
            if isinstance(value, type) and value.__module__.startswith("litellm"):
                found |= {
                    f"{value.__module__}:{value.__qualname__}.{n}": v for n, v in vars(value).items() if callable(v)
                }
    return found | {f"client {key}": value for key, value in litellm.in_memory_llm_clients_cache.cache_dict.items()}


def changed(before: dict[str, Any]) -> dict[str, Any]:
    """What is not as it was. Further names, such as those of modules that were loaded since, are no change."""
    after = state()
    return {name: after.get(name) for name, value in before.items() if not same(after.get(name), value)}


def same(one: Any, other: Any) -> bool:
    return one is other or (isinstance(one, bool | int | float | str | list | dict | set) and bool(one == other))


async def ask(url: str, *names: str) -> list[object]:
    """Ask each model a few times and close it."""
    found: list[object] = []
    for name in names:
        model = HostedModel(name, url, 20, QUICK)
        try:
            for _ in range(3):
                try:
                    found.append((await model.complete(REQUEST)).text)
                except ModelError as error:
                    found.append(error)
        finally:
            await model.close()
    return found


async def host_call(litellm: Any, url: str) -> str:
    message = {"role": "user", "content": "Hello?"}
    got = await litellm.acompletion(model="openai/host", messages=[message], api_base=url, api_key="host")
    return str(got.choices[0].message.content)


@pytest.mark.slow
def test_a_host_program_finds_litellm_as_it_left_it(litellm: Any, capfd: pytest.CaptureFixture[str]) -> None:
    """Callbacks, settings, functions, clients and environment variables, before, during and after calls of ours."""
    heard = Heard(litellm)

    async def program(url: str) -> None:
        import openai

        openai.organization = "host"
        assert await host_call(litellm, url) == "Hello."
        await heard.wait(1)
        before = state()
        clients = {key: value for key, value in before.items() if key.startswith("client ")}
        assert clients and not changed(before)
        openai.organization = "host"
        assert all(ours == "Hello." or isinstance(ours, ModelError) for ours in await ask(url, *OURS))
        assert openai.organization == "host"
        assert not changed(before)
        assert clients.keys() == {key for key in state() if key.startswith("client ")}
        own, ours = await asyncio.gather(host_call(litellm, url), ask(url, *OURS[:3]))
        assert (own, ours) == ("Hello.", ["Hello."] * 9)
        assert await host_call(litellm, url) == "Hello."
        await heard.wait(3)
        assert not changed(before)
        openai.organization = None
        await litellm.close_litellm_async_clients()

    try:
        with serve(by_protocol(answer("Hello."), *FAULTS)) as endpoint:
            asyncio.run(program(endpoint.url))
    finally:
        litellm.in_memory_llm_clients_cache.flush_cache()
    assert set(heard.models) == {"host begins", "host"}
    assert capfd.readouterr() == ("", "")


def test_settings_of_a_host_program_send_nothing_twice(litellm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(litellm, "num_retries", 3)
    with serve(lambda _: status(500)) as endpoint:
        got = asyncio.run(ask(endpoint.url, *OURS))
    assert all(isinstance(error, ModelError) for error in got)
    assert len(endpoint.requests) == len(got) * QUICK.attempts
    assert litellm.num_retries == 3


@pytest.mark.slow
def test_models_in_several_threads_and_loops_at_once() -> None:
    async def several(url: str) -> None:
        names = (*OURS[:3], "openai/plain")
        models = [HostedModel(name, url, 20, Patience()) for name in names]
        first = await asyncio.gather(*(model.complete(REQUEST) for model in models for _ in range(5)))
        assert {completion.text for completion in first} == {"Hello."}
        await models[0].close()  # Those of the others stay open.
        for model in models:
            assert (await model.complete(REQUEST)).text == "Hello."
            await model.close()

    ended: list[str] = []

    def run(url: str) -> None:
        for _ in range(2):
            asyncio.run(several(url))
        ended.append(url)

    with serve(by_protocol()) as endpoint:
        at_once(4, lambda: run(endpoint.url))
    assert ended == [endpoint.url] * 4
    assert len(endpoint.requests) == 4 * 2 * 4 * 6
    gc.collect()  # Connections left open would warn now, and warnings are errors.


def at_once(number: int, run: Callable[[], None]) -> None:
    threads = [threading.Thread(target=run) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@pytest.mark.usefixtures("both_routes")
def test_a_model_closes_its_own_connections_alone(litellm: Any) -> None:
    async def two(url: str) -> Endpoint:
        first, second = (HostedModel("openai/same", url, 20, Patience()) for _ in range(2))
        await asyncio.gather(first.complete(REQUEST), second.complete(REQUEST))
        await first.close()
        assert (await second.complete(REQUEST)).text == "Hello."
        await second.close()
        return endpoint

    with serve(by_protocol()) as endpoint:
        asyncio.run(two(endpoint.url))
    assert len(endpoint.requests) == 3

"""How litellm is called without changing it for the rest of the process.

litellm belongs to the program that we run in as much as to us: no global of it is set, none of its functions replaced,
no client that it shares used or closed. Each call brings its own client and its own log.
"""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import inspect
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import version
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

from codemonkeys.models import litellm_parts, quiet
from codemonkeys.models.environment import environment
from codemonkeys.models.tokens import vocabulary_folder

AT_IMPORT = {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",
    "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS": "True",
    "LITELLM_MODE": "PRODUCTION",
}
"""Without these, litellm downloads prices and headers when it is imported, and reads .env files."""

_lost: list[str] = []


@dataclass
class Heard:
    """The last response to a call, as it came."""

    status: int | None = None
    """Of HTTP; None without a response."""
    said: Mapping[str, Any] | None = None
    """The record in the body of a success."""


_heard: contextvars.ContextVar[Heard] = contextvars.ContextVar("heard")
"""Of the call that is being made in this context."""


@contextmanager
def hearing() -> Iterator[Heard]:
    """Within the block, what is said in response to the calls of this task is kept in the object that is yielded."""
    heard = Heard()
    before = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(before)


@cache
def load() -> ModuleType:
    """Import litellm, which takes seconds, so that it neither downloads nor reads anything on its own.

    Environment variables are afterwards as before, also the one that litellm sets. Raises UnusableModel for a version
    that lacks what a bill depends on.
    """
    is_first = "litellm" not in sys.modules
    quiet.hush()
    with environment(**AT_IMPORT, TIKTOKEN_CACHE_DIR=str(vocabulary_folder())):
        import litellm

        litellm_parts.check()
        try:
            # Otherwise the first call does, and sets it.
            importlib.import_module("litellm.litellm_core_utils.default_encoding")
            if is_first:
                # Otherwise the first call that needs these headers downloads them.
                importlib.import_module("litellm.anthropic_beta_headers_manager").get_provider_name("anthropic")
        except (ImportError, AttributeError) as error:
            _lost.append(
                f"litellm {version('litellm')} is not as this version of codemonkeys knows it ({error}): it may set "
                "environment variables, and download a list of headers at its first call"
            )
    quiet.hush(litellm)
    return litellm  # type: ignore[no-any-return]


def lost() -> list[str]:
    """What the installed version of litellm does not let us do; nothing on which a bill depends."""
    return list(dict.fromkeys(_lost))


@cache
def silent(name: str) -> ModuleType:
    """A second instance of a module of litellm, ours alone, whose functions do not print.

    litellm prints where to get help whenever it maps an error, unless a global is set, which is not ours to set.
    """
    spec = find_spec(name)
    assert spec is not None and spec.loader is not None, name
    module = module_from_spec(spec)
    module.print = skip  # type: ignore[attr-defined]
    spec.loader.exec_module(module)
    return module


def skip(*_: object, **__: object) -> None:
    """Do nothing."""


@cache
def client_type() -> type[Any]:
    """The class of our clients, which needs litellm."""
    with warnings.catch_warnings():
        # pydantic builds this class at its first use, and warns of a qualifier in it: an error where warnings are.
        warnings.simplefilter("ignore")
        load().ModelResponse()
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler
    from openai import AsyncAzureOpenAI

    class Client(AsyncHTTPHandler):  # type: ignore[misc]
        """A client of litellm and one of OpenAI over the same connections, that never send a request twice.

        Which of both litellm needs depends on provider, model and version of litellm, so this passes for either.
        """

        def __init__(self, timeout: float, openai: Callable[..., Any], transport: Any = None) -> None:
            """`transport`: of httpx, where requests are not to go to the network."""
            self._openai: Any = None
            self._own_transport = transport
            self.sent = 0
            """Requests that went out through this client, whoever made them."""
            super().__init__(timeout=timeout)
            self.client.event_hooks["request"].append(self._count)
            self.client.event_hooks["response"].append(hear)
            self._openai = openai(timeout=timeout, http_client=self.client)

        async def _count(self, request: Any) -> None:
            self.sent += 1

        @property
        def given(self) -> Any:
            """What to give litellm, which for Azure looks at the type."""
            return self._openai if isinstance(self._openai, AsyncAzureOpenAI) else self

        def create_client(self, *args: Any, **kwargs: Any) -> Any:
            """Also called when a connection broke, to send the request again, which no setting turns off."""
            if self._openai is not None:
                raise  # noqa: PLE0704 - what broke it.
            if self._own_transport is not None:
                return importlib.import_module("httpx").AsyncClient(transport=self._own_transport, trust_env=False)
            return super().create_client(*args, **kwargs)

        async def post(self, *args: Any, **kwargs: Any) -> Any:
            """Both clients have this method; only OpenAI's is told what to make of the answer."""
            return await (self._openai.post if "cast_to" in kwargs else super().post)(*args, **kwargs)

        def __getattr__(self, name: str) -> Any:
            if name.startswith("__") or self.__dict__.get("_openai") is None:
                raise AttributeError(name)
            return getattr(self._openai, name)

    return Client


async def hear(response: Any) -> None:
    """Keep what a provider said: litellm makes other reasons and statuses of some, and refuses texts in parts."""
    heard = _heard.get(None)
    if heard is None:
        return
    heard.status, heard.said = response.status_code, None
    if response.is_success and "json" in response.headers.get("content-type", ""):
        try:
            said = json.loads(await response.aread())
        except (ValueError, RecursionError):
            return
        heard.said = said if isinstance(said, dict) else None


@cache
def log_type() -> type[Any]:
    """The class of what litellm logs a call to, which needs litellm."""
    load()
    from litellm.litellm_core_utils.litellm_logging import Logging

    class Unheard(Logging):  # type: ignore[misc]
        """Keeps what providers' code looks up during a call, and tells no callback: the journal has it all."""

        pre_call = post_call = success_handler = failure_handler = skip

        def should_run_prompt_management_hooks(self, *_: object, **__: object) -> bool:
            """Prompts are sent as they are."""
            return False

        async def async_success_handler(self, *_: object, **__: object) -> None:
            """Tell nobody."""

        async_failure_handler = async_success_handler

    return Unheard


async def call(arguments: Mapping[str, Any], provider: str, client: Any, blocks: bool) -> Any:
    """What a provider answers to `arguments`, as litellm reads it. Raises what litellm makes of a failure.

    Goes past the decorator of `litellm.completion`, which looks for the answer in caches, prices it, and shows it to
    callbacks: more than a third of the CPU time of a call. `client`: a `client_type()`. `blocks`: whether preparing the
    request may block, so that a thread does it.
    """
    # litellm may set context variables, which are then those of the caller's task.
    own_context = contextvars.copy_context()
    now = datetime.now(UTC)
    log = own_context.run(log_type(), arguments["model"], arguments["messages"], False, "acompletion", now, "", "")
    if "tools" in arguments and has_mcp_handler():
        arguments = {**arguments, "_skip_mcp_handler": True}
    prepare = partial(start, **arguments, acompletion=True, client=client.given, litellm_logging_obj=log)
    try:
        answer = await in_thread(prepare) if blocks else own_context.run(prepare)
        return await answer if inspect.isawaitable(answer) else answer
    except Exception as error:
        mapping = silent("litellm.litellm_core_utils.exception_mapping_utils")
        raise mapping.exception_type(arguments["model"], error, provider) from error


@cache
def has_mcp_handler() -> bool:
    """Whether litellm looks for MCP servers among the tools of a call, by a package that it does not install.

    None of ours is one.
    """
    load()
    return find_spec("litellm.responses.mcp.chat_completions_handler") is not None


def start(**arguments: Any) -> Any:
    """What `litellm.completion` returns without its decorator: a coroutine that sends the request."""
    openai: Any = importlib.import_module("openai")
    organization = openai.organization
    try:
        return inspect.unwrap(load().completion)(**arguments)
    finally:
        openai.organization = organization  # litellm sets it in each call, mostly to None.


async def in_thread(prepare: Callable[[], Any]) -> Any:
    """Call `prepare` in a thread. If this is cancelled, the coroutine that it returns is closed."""
    running = asyncio.ensure_future(asyncio.to_thread(prepare))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        running.add_done_callback(discard)
        raise


def discard(prepared: asyncio.Future[Any]) -> None:
    """Close a coroutine that nobody will await."""
    if prepared.exception() is None and inspect.iscoroutine(prepared.result()):
        prepared.result().close()

"""Models of any provider, through litellm."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from codemonkeys.errors import BadSettings, FilteredAnswer, MissingKey, NoAnswer
from codemonkeys.models.base import Completion, Price, Request
from codemonkeys.models.failures import judge
from codemonkeys.models.prices import price_of
from codemonkeys.models.retry import Passing, Patience, Retry
from codemonkeys.models.throttle import Throttle
from codemonkeys.models.tokens import count_tokens
from codemonkeys.models.usage import read_usage
from codemonkeys.redact import redact

CLAUDE_HOSTS = frozenset({"anthropic", "bedrock", "vertex_ai", "openrouter"})
"""Providers that take Anthropic's cache breakpoints for its models."""
NO_KEY = "none"
"""Sent to an endpoint of the user's own when there is no key: the client insists on one."""


class HostedModel:
    """A model behind HTTP. Keys come from the environment alone.

    Parameters a model does not know, such as the temperature of some reasoning models, are left out.
    """

    def __init__(
        self,
        name: str,
        api_base: str | None = None,
        timeout: float = 600.0,
        patience: Patience | None = None,
        concurrency: int = 32,
        registry: Path | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        """`name`: as litellm has it. `api_base`: address of an endpoint of the user's own.

        `timeout`: seconds an attempt may take. `concurrency`: calls in flight at one time.
        `registry`: a file with prices, see `price_of`. `throttle`: is told what the provider says about the number of
        requests; whoever asks for turns there never has more in flight than the provider takes. Raises BadSettings.
        """
        self.name = name
        self.price: Price | None = price_of(name, registry)
        self._api_base = api_base
        self._timeout = timeout
        self._retry = Retry(patience or Patience())
        self._slots = asyncio.Semaphore(concurrency)
        self.throttle = throttle or Throttle(concurrency)
        self._checked = False

    def count_tokens(self, text: str) -> int:
        """Tokens of a text by the cl100k vocabulary: an estimate for other models."""
        return count_tokens(text)

    def check(self) -> None:
        """Raise MissingKey if the provider's key is not in the environment, BadSettings if there is no such provider.

        Imports litellm, which takes seconds.
        """
        if self._checked:
            return
        litellm = load()
        try:
            provider = litellm.get_llm_provider(self.name)[1]
        except litellm.BadRequestError:
            raise BadSettings(
                f"model {self.name!r} names no provider that litellm knows: write PROVIDER/NAME, such as "
                "anthropic/NAME, or openai/NAME with --api-base for an endpoint of your own"
            ) from None
        if self._api_base is None:
            own = f"{provider.upper()}_API_KEY"
            empty = [own] if os.environ.get(own) == "" else []
            missing = empty or litellm.validate_environment(self.name)["missing_keys"]
            if missing:
                names = " and ".join(missing)
                raise MissingKey(f"model {self.name!r} needs {names} in the environment: export it, and call again")
        self._checked = True

    async def complete(self, request: Request) -> Completion:
        """Answer one request, retries included; see `Model`."""
        if not self._checked:
            await asyncio.to_thread(self.check)
        async with self._slots:
            what = f"{request.key}: {self.name}"
            completion, attempts = await self._retry.run(lambda: self._attempt(request, what), what)
            self.throttle.answered(completion.usage.completion_tokens if completion.usage else 0)
            return replace(completion, attempts=attempts)

    async def _attempt(self, request: Request, what: str) -> Completion:
        began, cuts = time.monotonic(), self.throttle.reductions
        try:
            async with asyncio.timeout(self._timeout):
                response = await load().acompletion(**self._arguments(request))
        except Exception as error:
            late = isinstance(error, TimeoutError)
            failure = judge(TimeoutError(f"no answer within {self._timeout:g} s") if late else error, what)
            if isinstance(failure, Passing):
                if failure.too_many:
                    self.throttle.too_many(cuts)
                # It is asked again, without another turn: the next turns make up for it.
                self.throttle.count_attempt(0)
                self.throttle.on_failure(failure.status, str(failure))
            # No chain: a traceback would show the message that was redacted.
            raise failure from None
        return self._read(response, what, time.monotonic() - began)

    def _arguments(self, request: Request) -> dict[str, Any]:
        arguments: dict[str, Any] = {
            "model": self.name,
            "messages": self._messages(request),
            "temperature": request.temperature,
            "max_tokens": request.max_tokens,
            "timeout": self._timeout,
            "max_retries": 0,
            "num_retries": 0,
            "drop_params": True,
        }
        if self._api_base is not None:
            arguments["api_base"] = self._api_base
            if self._provider == "openai":
                arguments["api_key"] = os.environ.get("OPENAI_API_KEY") or NO_KEY
        return arguments

    def _messages(self, request: Request) -> list[dict[str, Any]]:
        marked: set[int] = set()
        if request.cache and "claude" in self.name.lower() and self._provider in {*CLAUDE_HOSTS, ""}:
            numbered = list(enumerate(request.messages))
            marked.update(number for number, message in numbered if message.role == "system")
            marked.update([number for number, message in numbered if message.role == "user"][-2:])
        return [
            {
                "role": message.role,
                "content": breakpoint_after(message.content) if number in marked else message.content,
            }
            for number, message in enumerate(request.messages)
        ]

    @property
    def _provider(self) -> str:
        return self.name.partition("/")[0] if "/" in self.name else ""

    def _read(self, response: Any, what: str, seconds: float) -> Completion:
        record = response.model_dump(mode="json")
        usage = read_usage(record.get("usage"))
        choices = record.get("choices") or []
        if not choices:
            raise NoAnswer(f"{what}: the provider answered without any choice")
        finish_reason = choices[0].get("finish_reason")
        if finish_reason == "content_filter":
            raise FilteredAnswer(f"{what}: the provider's content filter withheld the answer; another model may answer")
        text = (choices[0].get("message") or {}).get("content")
        if not isinstance(text, str) or not text.strip():
            raise NoAnswer(redact(f"{what}: the provider answered without text (finish reason {finish_reason})"))
        finish = "length" if finish_reason == "length" else "stop"
        return Completion(text, finish, usage, record.get("model") or self.name, seconds)

    async def close(self) -> None:
        """Close all connections that litellm holds in this event loop; a later call opens new ones."""
        if self._checked:
            await close_connections()


def breakpoint_after(content: str) -> list[dict[str, Any]]:
    """A message's content that ends with a cache breakpoint."""
    return [{"type": "text", "text": content, "cache_control": {"type": "ephemeral"}}]


@cache
def load() -> ModuleType:
    """Import litellm so that it prints nothing and neither reads nor calls anything on its own; takes seconds.

    Loggers that were registered with litellm hear of no answer: the journal has them all.
    """
    os.environ.update(
        LITELLM_LOCAL_MODEL_COST_MAP="True",
        LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS="True",
        LITELLM_MODE="PRODUCTION",  # Otherwise it reads .env files.
        LITELLM_LOG="CRITICAL",
    )
    import litellm
    from litellm.llms.custom_httpx.http_handler import AsyncHTTPHandler

    litellm.suppress_debug_info = True
    AsyncHTTPHandler.single_connection_post_request = refuse_second_request
    # It would price every answer, and show it to whoever logs calls: a third of what a call costs, and here the
    # journal does both.
    litellm.utils.update_response_metadata = skip
    litellm.utils._dispatch_success_logging = skip
    return litellm  # type: ignore[no-any-return]


def skip(*_: object, **__: object) -> None:
    """Stands in for what litellm does beyond the call."""


async def refuse_second_request(handler: object, **request: object) -> None:
    """Stands in for litellm's retry of a broken connection, which no setting turns off: raises what broke it."""
    raise  # noqa: PLE0704 - called while that exception is handled.


async def close_connections() -> None:
    """Close litellm's clients of the running loop and forget them, and end its logging task of this loop."""
    from litellm.litellm_core_utils.logging_worker import GLOBAL_LOGGING_WORKER

    # Versions in which `load` finds nothing to skip by that name have started it.
    await GLOBAL_LOGGING_WORKER.flush()
    await GLOBAL_LOGGING_WORKER.stop()
    clients = load().in_memory_llm_clients_cache.cache_dict
    of_this_loop = f"-{id(asyncio.get_running_loop())}"
    for key in [key for key in clients if key.endswith(of_this_loop)]:
        client = clients.pop(key)
        await client.close()

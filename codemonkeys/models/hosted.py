"""Models of any provider, through litellm; those at an address of the user's own without it, where it adds nothing."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

from codemonkeys.errors import MissingKey, ModelError, UnusableModel
from codemonkeys.models import providers
from codemonkeys.models.answers import is_chat_record, read_answer, with_own_words
from codemonkeys.models.base import Completion, Price, Request, Usage
from codemonkeys.models.batch_prices import WITH_BATCHES, batch_factors
from codemonkeys.models.batching import BatchFactors, Held, Hold, Unanswered, holding_transport
from codemonkeys.models.counting import counting_of
from codemonkeys.models.endpoint import Endpoint, is_plain
from codemonkeys.models.failures import judge, wants_completion_length
from codemonkeys.models.litellm_calls import Heard, call, hearing, lost
from codemonkeys.models.parameter_arguments import check_chat, check_known, check_takes_tools
from codemonkeys.models.parameters import Parameters
from codemonkeys.models.prices import entry_of, price_of
from codemonkeys.models.reach import check_reach
from codemonkeys.models.responses_api import call_responses, check_responses
from codemonkeys.models.retry import Passing, Patience, Retry
from codemonkeys.models.throttle import Throttle
from codemonkeys.models.tokens import count_tokens
from codemonkeys.models.windows import Window, window_of

Transport = Literal["auto", "litellm"]


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
        key_variable: str | None = None,
        transport: Transport = "auto",
    ) -> None:
        """`name`: as litellm has it. `api_base`: address of an endpoint of the user's own.

        `timeout`: seconds an attempt may take. `concurrency`: calls in flight at one time.
        `registry`: a file with prices and windows, see `price_of`. `throttle`: is told what the provider says about the
        number of requests; whoever asks for turns there never has more in flight than the provider takes.
        `key_variable`: environment variable that holds the key, if not the provider's own. `transport`: `litellm` to go
        through it also where `auto` would not. Raises BadSettings.
        """
        self.name = name
        self.price: Price | None = price_of(name, registry)
        self.counting = counting_of(name, api_base)
        self.window: Window | None = window_of(name, registry)
        self._registry = registry
        self._api_base = api_base
        self._timeout = timeout
        self._key_variable = key_variable
        self._retry = Retry(patience or Patience())
        self._slots = asyncio.Semaphore(concurrency)
        self.throttle = throttle or Throttle(concurrency)
        self._endpoint: Endpoint | None = None
        if transport == "auto" and api_base is not None and is_plain(name, api_base):
            self._endpoint = Endpoint(name, api_base, timeout, key_variable)
        self._provider: str | None = None
        self._wants_completion_length = False
        """Whether the provider takes the length of answers as `max_completion_tokens` only."""
        self._holding: Any = None
        self._clients: dict[asyncio.AbstractEventLoop, Any] = {}

    def count_tokens(self, text: str) -> int:
        """Tokens of a text by the cl100k vocabulary: an estimate for other models."""
        return count_tokens(text)

    def check(self) -> None:
        """Raise MissingKey without the provider's key in the environment, BadSettings if there is no such provider.

        UnusableModel if litellm would send requests of its own to it.

        Imports litellm, which takes seconds, unless calls go without it.
        """
        if self._key_variable and not self._key():
            raise missing_key(self.name, [self._key_variable])
        if self._endpoint is None:
            self._check_litellm()

    def _check_litellm(self) -> None:
        if self._provider is not None:
            return
        provider = providers.provider_of(self.name)
        providers.check_route(self.name, provider)
        if self._api_base is None and self._key_variable is None and (missing := providers.missing_keys(self.name)):
            raise missing_key(self.name, missing)
        self._provider = provider

    @property
    def takes_tools(self) -> bool:
        """Whether the registry file, or else litellm's list, says that the model has tool calls."""
        entry = entry_of(self.name, self._registry)
        return bool(entry and entry.get("supports_function_calling"))

    def check_tools(self) -> None:
        """Raise BadSettings where litellm would leave tools out of a request; see `ToolCalling`."""
        if self._endpoint is None:
            self._check_litellm()
            assert self._provider is not None
            check_takes_tools(self.name, self._provider)

    def check_parameters(self, parameters: Parameters, max_tokens: int) -> None:
        """Raise BadSettings for a parameter that litellm does not know for this model; see `Parametrised`."""
        self.check()
        if self._endpoint is not None and not parameters.given():
            return
        self._check_litellm()
        assert self._provider is not None
        check_known(self.name, self._provider, parameters, max_tokens)
        if parameters.api == "responses":
            check_responses(self.name, self._provider)
        else:
            check_chat(self.name, self._provider)

    @cached_property
    def batch_factors(self) -> BatchFactors | None:
        """See `Batching`. May import litellm, which takes seconds."""
        provider = self._provider or providers.provider_of(self.name)
        return batch_factors(self.name, self._registry) if provider in WITH_BATCHES else None

    def check_reach(self) -> None:
        """Raise NothingAnswers if nothing answers at the user's own endpoint, BadSettings if that is no address."""
        if self._api_base is not None:
            check_reach(self._api_base)

    def remarks(self) -> list[str]:
        """What the installed version of litellm does not let us do."""
        return lost()

    async def complete(self, request: Request) -> Completion:
        """Answer one request, retries included; see `Model`."""
        if not self._is_plain(request) and self._provider is None:
            await asyncio.to_thread(self._check_litellm)
        what, book_attempt = f"{request.key}: {self.name}", request.book_attempt
        async with AsyncExitStack() as slot:
            await slot.enter_async_context(self._slots)

            async def book(reason: str, usage: Usage | None = None) -> None:
                # It may wait for the cost of a call that waits for a slot.
                await slot.aclose()
                await book_attempt(reason, usage)
                await slot.enter_async_context(self._slots)

            attempt = partial(self._attempt, request, what)
            completion, attempts = await self._retry.run(attempt, what, book)
            self.throttle.answered(completion.usage.completion_tokens if completion.usage else 0)
            return completion if attempts == 1 else replace(completion, attempts=attempts)

    async def _attempt(self, request: Request, what: str) -> Completion:
        with hearing() as heard:
            return await self._attempt_heard(request, what, heard)

    async def _attempt_heard(self, request: Request, what: str, heard: Heard) -> Completion:
        began, cuts = time.monotonic(), self.throttle.reductions
        sent_so = self._wants_completion_length  # Others in flight may find it out meanwhile.
        try:
            async with asyncio.timeout(self._timeout):
                record = await self._record(request, what, heard)
            return read_answer(record, what, self.name, time.monotonic() - began, tools=bool(request.tools))
        except ModelError:
            raise
        except Exception as error:
            if not sent_so and wants_completion_length(error, heard.status):
                self._wants_completion_length = True
                self.throttle.count_attempt(0)
                return await self._attempt(request, what)
            late = isinstance(error, TimeoutError)
            error = TimeoutError(f"no answer within {self._timeout:g} s") if late else error
            failure = error if isinstance(error, Passing) else judge(error, request.key, self.name, heard.status)
            if isinstance(failure, Passing):
                if failure.too_many:
                    self.throttle.too_many(cuts)
                # It is asked again, without another turn: the next turns make up for it.
                self.throttle.count_attempt(0)
                self.throttle.on_failure(failure.status, str(failure))
            # No chain: a traceback would show the message that was redacted.
            raise failure from None

    def _is_plain(self, request: Request) -> bool:
        return self._endpoint is not None and request.parameters.api == "chat"

    async def _record(self, request: Request, what: str, heard: Heard) -> Mapping[str, Any]:
        if self._endpoint is not None and self._is_plain(request):
            return await self._endpoint.ask(request, self._wants_completion_length)
        return await self._record_of(self._client(), request, what, heard)

    async def _record_of(self, client: Any, request: Request, what: str, heard: Heard) -> Mapping[str, Any]:
        """What litellm reads of an answer that comes by a client."""
        try:
            response = await self._ask(request, client)
        except Exception:
            # litellm refuses answers that it does not know the form of, which are paid for all the same.
            if heard.said is not None and is_chat_record(heard.said):
                return dict(heard.said)
            raise
        if not client.sent:
            reason = providers.unbookable(f"the provider {self._provider}")
            raise UnusableModel(f"{what}: it answered, but {reason}", charged=True)
        if isinstance(response, dict):
            return response
        record: dict[str, Any] = response.model_dump(mode="json", warnings=False)
        return record if heard.said is None else with_own_words(record, heard.said)

    async def complete_in_batch(self, request: Request, hold: Hold) -> Completion:
        """Answer one request through a batch of its provider, in one attempt; see `Batching`."""
        if self._provider is None:
            await asyncio.to_thread(self._check_litellm)
        what, began, held = f"{request.key}: {self.name}", time.monotonic(), Held(hold)
        with hearing() as heard:
            try:
                with held:
                    record = await self._record_of(self._holding_client(), request, what, heard)
                return read_answer(record, what, self.name, time.monotonic() - began, tools=bool(request.tools))
            except Exception as error:
                if held.failure is not None:
                    raise held.failure from None
                if isinstance(error, ModelError):
                    raise
                self._wants_completion_length |= (lengthless := wants_completion_length(error, heard.status))
                failure = error if isinstance(error, Passing) else judge(error, request.key, self.name, heard.status)
                if isinstance(failure, Passing) and heard.said is not None:  # An answer, and paid for, but of no use.
                    raise Unanswered(str(failure), failure.charged, failure.usage) from None
                raise (Unanswered(str(failure)) if lengthless or isinstance(failure, Passing) else failure) from None

    def http(self) -> Any:
        """The HTTP client of this model in the running event loop."""
        return self._client().client

    def _holding_client(self) -> Any:
        """Of calls that go in batches: it opens no connection."""
        if self._holding is None:
            transport = holding_transport()()
            self._holding = providers.open_client(self.name, self._api_base, self._timeout, self._key(), transport)
        return self._holding

    async def _ask(self, request: Request, client: Any) -> Any:
        arguments, provider = self._arguments(request), self._provider
        assert provider is not None
        if request.parameters.api == "responses":
            return await call_responses(arguments, provider, client)
        if self._wants_completion_length:
            arguments["max_completion_tokens"] = arguments.pop("max_tokens")
        return await call(arguments, provider, client, provider in providers.FETCH_TOKENS)

    def _arguments(self, request: Request) -> dict[str, Any]:
        return providers.arguments(self.name, request, self._api_base, self._timeout, self._key())

    def _key(self) -> str | None:
        return os.environ.get(self._key_variable) if self._key_variable else None

    def _client(self) -> Any:
        loop = asyncio.get_running_loop()
        if loop not in self._clients:
            for ended in [other for other in self._clients if other.is_closed()]:
                del self._clients[ended]
            self._clients[loop] = providers.open_client(self.name, self._api_base, self._timeout, self._key())
        return self._clients[loop]

    async def close(self) -> None:
        """Close this model's connections in this event loop; a later call opens new ones."""
        if self._endpoint is not None:
            await self._endpoint.close()
        client, holding = self._clients.pop(asyncio.get_running_loop(), None), self._holding
        self._holding = None
        for opened in (client, holding):
            if opened is not None:
                await opened.close()


def missing_key(model: str, variables: list[str]) -> MissingKey:
    """The error of a key that is in no environment variable."""
    return MissingKey(f"model {model!r} needs {' and '.join(variables)} in the environment: export it, and call again")

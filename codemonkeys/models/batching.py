"""Calls by way of a provider's batch API: the HTTP request of a call is held back, and answered when its batch ends.

So a call is translated as any other, by the same code in both directions, whatever its provider, parameters or errors.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, Protocol, runtime_checkable

from codemonkeys.models.base import Completion, Request, Usage


@dataclass(frozen=True)
class HeldRequest:
    """The HTTP request of one call, which was not sent."""

    url: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes
    """JSON."""


@dataclass(frozen=True)
class BatchAnswer:
    """What a batch holds for one call: the HTTP response that the call alone would have had."""

    status: int
    body: bytes
    """JSON."""


Hold = Callable[[HeldRequest], Awaitable[BatchAnswer]]
"""Puts a request into a batch, and returns its answer hours later."""


class Unanswered(Exception):
    """A batch ended without an answer to a call, which may now go out alone."""

    def __init__(self, message: str, charged: bool = False, usage: Usage | None = None) -> None:
        """`charged`: whether it may have been charged all the same. `usage`: of an answer that cannot be used."""
        super().__init__(message)
        self.charged, self.usage = charged, usage


class BatchFactors(NamedTuple):
    """Prices in a batch, relative to those of single calls."""

    prompt: float
    """Cached tokens included."""
    completion: float


@runtime_checkable
class Batching(Protocol):
    """A model whose provider may have a batch API."""

    name: str
    batch_factors: BatchFactors | None
    """None if its provider has no batch API that we speak."""

    async def complete_in_batch(self, request: Request, hold: Hold) -> Completion:
        """Answer one request through a batch, in one attempt. Raises ModelError, Unanswered, and what `hold` raises."""
        ...

    def http(self) -> Any:
        """An `httpx.AsyncClient` to the provider, of the running event loop."""
        ...


class Held:
    """Within it, the request of the running call goes to a function instead of the network."""

    def __init__(self, hold: Hold) -> None:
        self._hold = hold
        self.asked = False
        """Whether there has been a request."""
        self.failure: Exception | None = None
        """What the function raised, before others have made something else of it."""

    async def answer(self, request: HeldRequest) -> BatchAnswer:
        """Hand on a request."""
        self.asked = True
        try:
            return await self._hold(request)
        except Exception as error:
            self.failure = error
            raise

    def __enter__(self) -> None:
        self._token = HELD.set(self)

    def __exit__(self, *exception: object) -> None:
        HELD.reset(self._token)


HELD: ContextVar[Held] = ContextVar("held")
"""Of the running call."""


@cache
def holding_transport() -> type[Any]:
    """The class of HTTP transports that hand each request to `HELD`; needs httpx."""
    import httpx

    class Holding(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            body = await request.aread()
            answer = await HELD.get().answer(HeldRequest(str(request.url), dict(request.headers), body))
            headers = {"Content-Type": "application/json"}
            return httpx.Response(answer.status, headers=headers, content=answer.body, request=request)

    return Holding

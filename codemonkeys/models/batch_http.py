"""Requests about batches over HTTP: where they go, and what it means when one fails. None of them is retried here."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from codemonkeys.models.batching import HeldRequest
from codemonkeys.models.failures import BEFORE_ANY_WORK, shorten
from codemonkeys.models.retry import retry_after
from codemonkeys.redact import redact

PER_CALL = (
    "accept",
    "connection",
    "content-",
    "host",
    "idempotency-key",
    "transfer-encoding",
    "user-agent",
    "x-stainless",
)
"""How names of headers begin that belong to one HTTP request, not to every one with this key."""
SKEW = timedelta(hours=1)
"""How far a provider's clock may be off ours."""


class BatchFailure(Exception):
    """A request about a batch failed."""

    def __init__(
        self, message: str, status: int | None = None, may_have_arrived: bool = False, wait: float = 0.0
    ) -> None:
        """`wait`: the least delay that the provider asks for, in seconds."""
        super().__init__(message)
        self.status = status
        self.may_have_arrived = may_have_arrived
        """Whether the provider may have done what was asked for all the same."""
        self.wait = wait

    @property
    def is_final(self) -> bool:
        """Whether asking again cannot help."""
        return self.status is not None and 400 <= self.status < 500 and self.status not in (408, 409, 425, 429)


@dataclass(frozen=True)
class Route:
    """Where the calls of one batch go, and with what key."""

    base: str
    endpoint: str
    """`chat/completions`, `responses` or `messages`."""
    headers: tuple[tuple[str, str], ...]

    def __repr__(self) -> str:
        return f"{self.base}/{self.endpoint}"


def route_of(request: HeldRequest) -> Route:
    """Where a call would have gone."""
    url = request.url.partition("?")[0]
    for endpoint in ("chat/completions", "responses", "messages"):
        if url.endswith(f"/{endpoint}"):
            shared = {name: text for name, text in request.headers.items() if not name.lower().startswith(PER_CALL)}
            return Route(url.removesuffix(f"/{endpoint}"), endpoint, tuple(sorted(shared.items())))
    raise BatchFailure(f"no batch API takes requests to {url}", 404)


class Client:
    """Requests about batches, with the key of the calls in them."""

    def __init__(self, http: Any, route: Route) -> None:
        self._http, self.route = http, route

    @asynccontextmanager
    async def open(self, method: str, path: str, **given: Any) -> AsyncIterator[Any]:
        """An HTTP response whose body is not read yet. Raises BatchFailure."""
        import httpx

        headers = {**dict(self.route.headers), **given.pop("headers", {})}
        try:
            async with self._http.stream(method, f"{self.route.base}/{path}", headers=headers, **given) as response:
                if response.status_code >= 400:
                    await response.aread()
                    raise failure_of(response)
                yield response
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise BatchFailure(redact(f"the provider cannot be reached: {shorten(str(error))}")) from None
        except httpx.HTTPError as error:
            words = redact(shorten(str(error) or type(error).__name__))
            raise BatchFailure(f"the connection broke: {words}", may_have_arrived=True) from None

    async def json(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        """The JSON object that answers a request. Raises BatchFailure."""
        async with self.open(method, path, **given) as response:
            try:
                found = json.loads(await response.aread())
            except ValueError:
                found = None
        if not isinstance(found, dict):
            raise BatchFailure(f"{method} {path}: the answer is not a JSON object", may_have_arrived=True)
        return found

    async def lines(self, path: str) -> AsyncGenerator[dict[str, Any], None]:
        """The JSON objects of a file, one a line. Raises BatchFailure."""
        async with self.open("GET", path) as response:
            async for line in response.aiter_lines():
                if line.strip():
                    try:
                        yield dict(json.loads(line))
                    except (ValueError, TypeError):
                        raise BatchFailure(f"{path}: a line of the results is not a JSON object") from None

    async def listed(self, path: str, cursor: str, since: datetime) -> AsyncIterator[dict[str, Any]]:
        """The batches that the provider lists, newest first, created after `since`. `cursor`: parameter of a page."""
        more: dict[str, str] = {}
        while True:
            page = await self.json("GET", path, params={"limit": "100", **more})
            for batch in page.get("data") or ():
                if moment_of(batch.get("created_at")) < since - SKEW:
                    return
                yield batch
            if not page.get("has_more") or not page.get("data"):
                return
            more = {cursor: page["data"][-1]["id"]}


def failure_of(response: Any) -> BatchFailure:
    """What an HTTP status from 400 on means; its body is read."""
    status, headers = response.status_code, response.headers
    words = redact(f"status {status}: {shorten(response.text)}")
    arrived = status >= 500 and status not in BEFORE_ANY_WORK
    return BatchFailure(words, status, arrived, retry_after(headers.get("retry-after"), headers.get("date")))


def moment_of(created: object) -> datetime:
    """When a batch was created: seconds since 1970, or ISO 8601. One that is not told counts as now."""
    if isinstance(created, int | float):
        return datetime.fromtimestamp(created, UTC)
    try:
        found = datetime.fromisoformat(str(created))
    except ValueError:
        return datetime.now(UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)

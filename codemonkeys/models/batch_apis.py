"""The batch APIs of OpenAI and Anthropic.

litellm 1.106 creates no batches at Anthropic, and retrieves them through a client that it shares. So the requests of
calls come from litellm, and only the few requests about batches are our own.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from codemonkeys.models.batch_http import BatchFailure, Client, Route
from codemonkeys.models.batching import BatchAnswer
from codemonkeys.models.failures import shorten
from codemonkeys.redact import redact

TAG = "codemonkeys"
"""Name of the metadata that holds our tag of a batch."""
STATUSES = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
"""The HTTP status with which Anthropic answers a single call that ends so; 500 for others."""


@dataclass(frozen=True)
class BatchProgress:
    """How far a batch is."""

    words: str
    """As the provider says it."""
    ended: bool = False
    refused: str | None = None
    """Why the whole batch was refused after it had been taken in; nothing of it was worked on."""


@dataclass(frozen=True)
class Found:
    """What a search for a batch came to."""

    id: str | None
    undecided: bool = False
    """Whether a batch that may be the one says so only when it has ended."""


class BatchApi(Protocol):
    """One way to speak about batches."""

    most_calls: int
    most_bytes: int

    async def submit(self, tag: str, calls: Sequence[tuple[str, bytes]]) -> str:
        """Submit a batch of (custom id, JSON of the request); returns the provider's id. Raises BatchFailure."""
        ...

    async def find(self, tag: str, calls: int, since: datetime, known: Collection[str]) -> Found:
        """Look for a batch that was submitted after `since`, whose id was not told. `known`: ids of others of ours."""
        ...

    async def look(self, id: str) -> BatchProgress:
        """How far a batch is. Raises BatchFailure."""
        ...

    def answers(self, id: str) -> AsyncIterator[tuple[str, BatchAnswer | str]]:
        """(custom id, answer, or why there is none) of a batch that has ended, in any order. Raises BatchFailure."""
        ...

    async def cancel(self, id: str) -> None:
        """Ask for a batch to end early; what is answered by then is kept. Raises BatchFailure."""
        ...


def api_of(route: Route, http: Any) -> BatchApi:
    """The batch API of a route, over an `httpx.AsyncClient`."""
    client = Client(http, route)
    return AnthropicBatches(client) if route.endpoint == "messages" else OpenAIBatches(client)


class OpenAIBatches:
    """Batches of OpenAI: a file of requests, and two of results."""

    most_calls, most_bytes = 50_000, 200_000_000
    ENDED = frozenset({"completed", "expired", "cancelled", "failed"})

    def __init__(self, client: Client) -> None:
        self._client = client
        self._endpoint = f"/v1/{client.route.endpoint}"

    async def submit(self, tag: str, calls: Sequence[tuple[str, bytes]]) -> str:
        """See `BatchApi`."""
        lines = (
            b'{"custom_id": %s, "method": "POST", "url": %s, "body": %s}\n' % (quoted(id), quoted(self._endpoint), body)
            for id, body in calls
        )
        file = {"file": (f"{tag}.jsonl", b"".join(lines), "application/jsonl")}
        try:
            uploaded = await self._client.json("POST", "files", data={"purpose": "batch"}, files=file)
        except BatchFailure as failure:
            failure.may_have_arrived = False  # A file alone is worked on by nobody.
            raise
        content = {"input_file_id": uploaded.get("id"), "endpoint": self._endpoint, "completion_window": "24h"}
        return id_of(await self._client.json("POST", "batches", json={**content, "metadata": {TAG: tag}}))

    async def find(self, tag: str, calls: int, since: datetime, known: Collection[str]) -> Found:
        """See `BatchApi`."""
        async for batch in self._client.listed("batches", "after", since):
            if (batch.get("metadata") or {}).get(TAG) == tag:
                return Found(id_of(batch))
        return Found(None)

    async def look(self, id: str) -> BatchProgress:
        """See `BatchApi`."""
        batch = await self._client.json("GET", f"batches/{id}")
        counts = batch.get("request_counts") or {}
        words = f"{batch.get('status')}, {counts.get('completed', 0)} of {counts.get('total', 0)} answered"
        errors = (batch.get("errors") or {}).get("data") or [{}]
        refused = f"{errors[0].get('code')}: {errors[0].get('message')}" if batch.get("status") == "failed" else None
        return BatchProgress(words, batch.get("status") in self.ENDED, refused and redact(shorten(refused)))

    async def answers(self, id: str) -> AsyncIterator[tuple[str, BatchAnswer | str]]:
        """See `BatchApi`."""
        batch = await self._client.json("GET", f"batches/{id}")
        for file in (batch.get("output_file_id"), batch.get("error_file_id")):
            if file:
                async for line in self._client.lines(f"files/{file}/content"):
                    yield str(line.get("custom_id")), self._answer_in(line)

    def _answer_in(self, line: Mapping[str, Any]) -> BatchAnswer | str:
        response, error = line.get("response") or {}, line.get("error") or {}
        if response.get("status_code"):
            return BatchAnswer(int(response["status_code"]), json.dumps(response.get("body")).encode())
        return redact(shorten(f"{error.get('code')}: {error.get('message')}"))

    async def cancel(self, id: str) -> None:
        """See `BatchApi`."""
        await self._client.json("POST", f"batches/{id}/cancel")


class AnthropicBatches:
    """Message batches of Anthropic. They have no metadata: a batch is known by its custom ids, which results show."""

    most_calls, most_bytes = 100_000, 256_000_000

    def __init__(self, client: Client) -> None:
        self._client = client

    async def submit(self, tag: str, calls: Sequence[tuple[str, bytes]]) -> str:
        """See `BatchApi`."""
        requests = b",".join(b'{"custom_id": %s, "params": %s}' % (quoted(id), body) for id, body in calls)
        headers = {"Content-Type": "application/json"}
        content = b'{"requests": [%s]}' % requests
        return id_of(await self._client.json("POST", "messages/batches", content=content, headers=headers))

    async def find(self, tag: str, calls: int, since: datetime, known: Collection[str]) -> Found:
        """See `BatchApi`."""
        undecided = False
        async for batch in self._client.listed("messages/batches", "after_id", since):
            if batch.get("id") in known or sum((batch.get("request_counts") or {}).values()) != calls:
                continue
            if batch.get("processing_status") != "ended":
                undecided = True
                continue
            async with aclosing(self._client.lines(f"messages/batches/{id_of(batch)}/results")) as lines:
                first: Mapping[str, Any] = await anext(lines, {})
            if str(first.get("custom_id")).startswith(f"{tag}-"):
                return Found(id_of(batch))
        return Found(None, undecided)

    async def look(self, id: str) -> BatchProgress:
        """See `BatchApi`."""
        batch = await self._client.json("GET", f"messages/batches/{id}")
        counts = batch.get("request_counts") or {}
        total = sum(counts.values())
        words = f"{batch.get('processing_status')}, {total - counts.get('processing', 0)} of {total} ended"
        return BatchProgress(words, batch.get("processing_status") == "ended")

    async def answers(self, id: str) -> AsyncIterator[tuple[str, BatchAnswer | str]]:
        """See `BatchApi`."""
        async for line in self._client.lines(f"messages/batches/{id}/results"):
            result = line.get("result") or {}
            yield str(line.get("custom_id")), self._answer_in(result)

    def _answer_in(self, result: Mapping[str, Any]) -> BatchAnswer | str:
        if result.get("type") == "succeeded":
            return BatchAnswer(200, json.dumps(result.get("message")).encode())
        if result.get("type") == "errored":
            error = result.get("error") or {}
            kind = str((error.get("error") or {}).get("type"))
            return BatchAnswer(STATUSES.get(kind, 500), json.dumps(error).encode())
        return f"the batch says that it is {result.get('type')}"

    async def cancel(self, id: str) -> None:
        """See `BatchApi`."""
        await self._client.json("POST", f"messages/batches/{id}/cancel")


def quoted(text: str) -> bytes:
    """A text as JSON."""
    return json.dumps(text).encode()


def id_of(batch: Mapping[str, Any]) -> str:
    """The provider's id of a batch. Raises BatchFailure."""
    if not isinstance(batch.get("id"), str):
        raise BatchFailure("the provider's answer has no id of a batch", may_have_arrived=True)
    return str(batch["id"])

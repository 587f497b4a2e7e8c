"""One batch of calls: those that it collects, and how they are answered."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable
from typing import Any

from codemonkeys.errors import RunInterrupted
from codemonkeys.journal.batches import StoredBatch
from codemonkeys.models.batch_apis import BatchApi, api_of
from codemonkeys.models.batch_http import Route
from codemonkeys.models.batching import BatchAnswer

LINE = 200
"""Bytes of a batch for each call beside its request."""


class LeftInBatch(RunInterrupted):
    """The session ends, or cannot go on, before the batch of a call has: the call stays in it, and on the bill."""


class Uncollected(Exception):
    """A batch never reached its provider: its calls join another."""


class Batch:
    """Calls that go to a provider together, each of them by the number of its step."""

    def __init__(self, route: Route, http: Any, stored: StoredBatch | None = None) -> None:
        """`stored`: of an earlier session; its calls come again one by one."""
        self.api: BatchApi = api_of(route, http)
        self.route, self.stored = route, stored
        self.tag = stored.tag if stored else uuid.uuid4().hex[:16]
        self.bodies: dict[int, bytes] = {}
        """Requests that wait to be submitted."""
        self.is_full = False
        self.changed_at = time.monotonic()
        self._size = 0
        self._answers: dict[int, asyncio.Future[BatchAnswer]] = {}
        self._failure: Callable[[], Exception] | None = None

    def takes(self, body: bytes) -> bool:
        """Whether another request keeps it within what its provider takes; one alone always goes."""
        fits = len(self.bodies) < self.api.most_calls and self._size + len(body) + LINE <= self.api.most_bytes
        self.is_full = not fits and bool(self.bodies)
        return not self.is_full

    def add(self, step: int, body: bytes) -> None:
        """Take another request."""
        self.bodies[step] = body
        self._size += len(body) + LINE
        self.changed_at = time.monotonic()

    async def answer(self, step: int) -> BatchAnswer:
        """Wait for the answer to a call. Raises what it was failed with."""
        if step not in self._answers:
            if self._failure is not None:
                raise self._failure()
            self._answers[step] = asyncio.get_running_loop().create_future()
        return await self._answers[step]

    def waits(self) -> int:
        """Number of calls that somebody waits for."""
        return sum(not answer.done() for answer in self._answers.values())

    def deliver(self, step: int, answer: BatchAnswer | Exception) -> None:
        """Answer or fail one call, whether or not somebody waits for it; of several answers, the first holds."""
        waiting = self._answers.get(step)
        if waiting is None:
            waiting = self._answers[step] = asyncio.get_running_loop().create_future()
        if waiting.done():
            return
        if isinstance(answer, BatchAnswer):
            waiting.set_result(answer)
        else:
            waiting.set_exception(answer)
            waiting.exception()  # Retrieved here: perhaps nobody asks for it.

    def fail(self, failure: Callable[[], Exception]) -> None:
        """Fail the calls that have no answer, also those that will be waited for later."""
        self._failure = failure
        for step in list(self._answers):
            self.deliver(step, failure())

"""Who goes next where there is not room for all: the most urgent first, as far as there is room."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

STAGES = (
    *("begin", "digest", "relevance", "test", "rank", "edit", "memory"),
    *("votes", "regression", "judge", "ballot", "select"),
)
"""Later stages are more urgent, so that tasks end early; a task that has not begun is the least so."""


def urgency(stage: str, position: int) -> tuple[int, int]:
    """The order of turns, smaller first: later stages first, among them the earlier tasks."""
    rank = STAGES.index(stage) if stage in STAGES else len(STAGES)
    # Tests are written while the context is found; neither is to hold up the other.
    return -max(rank, STAGES.index("test")) if rank else 0, position


class Resource(Protocol):
    """What limits how many go at one time."""

    def enter(self, size: int) -> float:
        """Take room for something of a size: 0 if there was, else seconds until there may be; inf: when one leaves."""
        ...

    def leave(self, size: int) -> None:
        """Give the room back."""
        ...


@dataclass(order=True)
class _Waiting:
    urgency: tuple[int, int]
    number: int
    size: int = field(compare=False)
    turn: asyncio.Future[None] = field(compare=False)


class PriorityQueue:
    """A queue before a room."""

    def __init__(self, room: Resource) -> None:
        self.room = room
        self._queue: list[_Waiting] = []
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def turn(self, urgency: tuple[int, int], size: int = 0) -> AsyncIterator[None]:
        """Wait for a turn, and be in the room for the length of the block."""
        await self._wait(urgency, size)
        try:
            yield
        finally:
            self.room.leave(size)
            self.admit()

    async def _wait(self, urgency: tuple[int, int], size: int) -> None:
        waiting = _Waiting(urgency, next(self._numbers), size, asyncio.get_running_loop().create_future())
        heapq.heappush(self._queue, waiting)
        self.admit()
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting.turn.done() and not waiting.turn.cancelled():
                self.room.leave(size)
            self.admit()
            raise

    def admit(self) -> None:
        """Let in who fits, in order; who is first and does not fit holds up the others, and so never starves."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._queue:
            first = self._queue[0]
            if not first.turn.cancelled():
                seconds = self.room.enter(first.size)
                if seconds > 0:
                    if seconds < math.inf:
                        self._timer = asyncio.get_running_loop().call_later(seconds, self.admit)
                    return
                first.turn.set_result(None)
            heapq.heappop(self._queue)


class ExecutionSlots:
    """Room for executions: so many at one time, and so much memory together; a single one always fits."""

    def __init__(self, most: int, memory_mb: int) -> None:
        self._most, self._memory = most, memory_mb
        self._inside = self._taken = 0

    def enter(self, size: int) -> float:
        """Take a place and `size` MiB; see `Room`."""
        if self._inside and (self._inside >= self._most or self._taken + size > self._memory):
            return math.inf
        self._inside += 1
        self._taken += size
        return 0.0

    def leave(self, size: int) -> None:
        """Give them back."""
        self._inside -= 1
        self._taken -= size


@dataclass
class TokenBucket:
    """So much a minute, in any portions; what is taken beyond it is made up for by waiting. inf: no limit."""

    a_minute: float
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._left = self.a_minute
        self._at = self.clock()

    def wait(self, amount: float) -> float:
        """Seconds until an amount may be taken; one larger than a minute's may go when the whole minute is there."""
        if self.a_minute == math.inf:
            return 0.0
        now = self.clock()
        # A clock that went back must not take away what was there.
        self._left = min(self.a_minute, self._left + max(0.0, now - self._at) * self.a_minute / 60)
        self._at = now
        missing = min(amount, self.a_minute) - self._left
        return max(0.0, missing * 60 / self.a_minute) if missing > 1e-9 else 0.0

    def take(self, amount: float) -> None:
        """Take it."""
        self._left -= amount


class Throttle:
    """Room for the calls of one model.

    So many at one time, fewer after the provider said that it is too many (down by three tenths, once for all calls
    that were under way), more again as calls succeed (one more for each round of them, as TCP does it); and so many
    requests and tokens a minute.
    """

    def __init__(
        self,
        most: int,
        requests_a_minute: float = math.inf,
        tokens_a_minute: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most = most
        self.at_once = float(most)
        """How many calls may be under way."""
        self._inside = 0
        self._requests = TokenBucket(requests_a_minute, clock)
        self._tokens = TokenBucket(tokens_a_minute, clock)
        self.cuts = 0
        """How often the provider said that it is too much."""
        self.heard: Callable[[str, str], None] = lambda status, words: None
        """Told of every attempt that failed for a passing reason: its HTTP status or kind, and what was said."""

    def enter(self, size: int) -> float:
        """Take a place for a call of `size` tokens; 0 is no call and counts as none. See `Room`."""
        if self._inside >= int(self.at_once):
            return math.inf
        seconds = max(self._requests.wait(1), self._tokens.wait(size))
        if seconds:
            return seconds
        self._inside += 1
        if size:
            self.count_attempt(size)
        return 0.0

    def leave(self, size: int) -> None:
        """Give the place back."""
        self._inside -= 1

    def count_attempt(self, size: int) -> None:
        """A request goes out: what is asked again counts again."""
        self._requests.take(1)
        self._tokens.take(size)

    def too_many(self, cuts_before: int) -> None:
        """The provider refused a request that went out when there had been so many cuts."""
        if cuts_before == self.cuts:
            self.cuts += 1
            self.at_once = max(1.0, 0.7 * self.at_once)

    def answered(self, tokens: int) -> None:
        """A call succeeded; the provider counts the tokens of the answer too."""
        self._tokens.take(tokens)
        self.at_once = min(float(self.most), self.at_once + 1 / self.at_once)


@runtime_checkable
class Throttled(Protocol):
    """A model that knows what its provider takes."""

    throttle: Throttle

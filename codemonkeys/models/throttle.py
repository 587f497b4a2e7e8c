"""What limits the calls of one model: how many are in flight, and how many requests and tokens go out a minute."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

SLOWER = 0.7
"""Factor by which the concurrency falls when the provider says that there are too many requests."""


@dataclass
class TokenBucket:
    """A rate limit that allows bursts: a minute's amount at once, then as it refills. inf: no limit."""

    per_minute: float
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._left = self.per_minute
        self._at = self.clock()

    def wait(self, amount: float) -> float:
        """Seconds until an amount may be taken; one larger than a minute's may go once the bucket is full."""
        if self.per_minute == math.inf:
            return 0.0
        now = self.clock()
        # A clock that went back must not take away what was there.
        self._left = min(self.per_minute, self._left + max(0.0, now - self._at) * self.per_minute / 60)
        self._at = now
        missing = min(amount, self.per_minute) - self._left
        return max(0.0, missing * 60 / self.per_minute) if missing > 1e-9 else 0.0

    def take(self, amount: float) -> None:
        """Take an amount; the bucket may go below zero and is then waited for."""
        self._left -= amount


class Throttle:
    """Limits the calls of one model; a resource that a priority queue can stand in front of.

    The concurrency adapts as TCP's window does: it falls by three tenths when the provider says that there are too many
    requests (once for all calls that were in flight then), and grows by one for each round of calls that succeed.
    """

    def __init__(
        self,
        most: int,
        requests_per_minute: float = math.inf,
        tokens_per_minute: float = math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.most = most
        self.concurrency = float(most)
        """Calls that may be in flight at present."""
        self._in_flight = 0
        self._requests = TokenBucket(requests_per_minute, clock)
        self._tokens = TokenBucket(tokens_per_minute, clock)
        self.reductions = 0
        """How often the provider has said that there are too many requests."""
        self.on_failure: Callable[[str, str], None] = lambda status, words: None
        """Told of every attempt that failed transiently: its HTTP status or kind, and what was said."""

    @property
    def free(self) -> int:
        """Slots that are free, whether or not a rate lets a call out; below 0 after the concurrency has fallen."""
        return int(self.concurrency) - self._in_flight

    @property
    def is_rated(self) -> bool:
        """Whether requests or tokens of a minute are limited."""
        return min(self._requests.per_minute, self._tokens.per_minute) < math.inf

    def acquire(self, size: int) -> float:
        """Take a slot for a call of `size` tokens (0: not a call, and counted as none): 0, or seconds to wait."""
        if self.free <= 0:
            return math.inf
        seconds = max(self._requests.wait(1), self._tokens.wait(size))
        if seconds:
            return seconds
        self._in_flight += 1
        if size:
            self.count_attempt(size)
        return 0.0

    def release(self, size: int) -> None:
        """Give the slot back."""
        self._in_flight -= 1

    def count_attempt(self, size: int) -> None:
        """A request goes out: a retry counts again."""
        self._requests.take(1)
        self._tokens.take(size)

    def too_many(self, reductions_before: int) -> None:
        """The provider refused a request that went out when there had been this number of reductions."""
        if reductions_before == self.reductions:
            self.reductions += 1
            self.concurrency = max(1.0, SLOWER * self.concurrency)

    def answered(self, tokens: int) -> None:
        """A call succeeded; providers count the tokens of the answer too."""
        self._tokens.take(tokens)
        self.concurrency = min(float(self.most), self.concurrency + 1 / self.concurrency)


@runtime_checkable
class Throttled(Protocol):
    """A model that hears from its provider how many calls it takes."""

    throttle: Throttle

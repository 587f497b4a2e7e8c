"""Threads for what blocks, in a number that may grow."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Threads(Executor):
    """A pool of at most so many threads as `most` says whenever something is submitted, and never fewer than before.

    Without a bound that is meant, a busy pool starts a thread for almost every call: one that has just given its result
    is not yet known to be idle.
    """

    def __init__(self, most: Callable[[], int]) -> None:
        self._most = most
        self._size = max(1, most())
        self._pool = ThreadPoolExecutor(self._size, "codemonkeys")

    def submit(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a function called in a thread; for one thread at a time."""
        if (most := self._most()) > self._size:
            smaller, self._size, self._pool = self._pool, most, ThreadPoolExecutor(most, "codemonkeys")
            smaller.shutdown(wait=False)  # what it was given goes on
        return self._pool.submit(function, *args, **kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take nothing more."""
        self._pool.shutdown(wait, cancel_futures=cancel_futures)

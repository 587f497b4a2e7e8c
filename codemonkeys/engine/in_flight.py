"""Steps in flight: each that has begun ends and is stored, whatever becomes of those who wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from typing import Any, TypeVar

from codemonkeys.engine.stop import Stop
from codemonkeys.errors import BadInput, RunInterrupted
from codemonkeys.wording import resume

T = TypeVar("T")


class InFlight:
    """The steps of a session that have begun and not ended, and what keeps others from beginning."""

    def __init__(self, run: str, stop: Stop) -> None:
        self._run = run
        self._tasks: set[asyncio.Future[Any]] = set()
        self.stop = stop
        self._is_ending = False
        self.refused: BadInput | None = None
        """What every further call would end with, such as a wrong key."""

    def check(self) -> None:
        """Raise what keeps a step from beginning: RunInterrupted, or the error that every call would end with."""
        if self.refused is not None:
            raise self.refused
        if self.stop.draining:
            raise RunInterrupted(f"stopped; {resume(self._run)}")

    @property
    def ends(self) -> bool:
        """Whether nobody is going to act on what ends only hours from now."""
        return self._is_ending or self.stop.draining or self.refused is not None

    async def complete(self, step: Coroutine[None, None, T]) -> T:
        """Carry out a step that ends and is stored even if whoever waits for it is cancelled.

        Only what has begun is carried on: a step that still queues for a slot goes with whoever waits for it.
        """
        return await asyncio.shield(self.start(step))

    def start(self, step: Awaitable[T]) -> asyncio.Future[T]:
        """Begin something that nobody need wait for; `drain` does."""
        task = asyncio.ensure_future(step)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Future[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # Retrieved here: whoever waited for it may be gone.

    async def drain(self) -> None:
        """Wait until everything in flight has ended and is stored; calls in a batch are left in it."""
        self._is_ending = True
        try:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        finally:
            self._is_ending = False

    def cancel(self) -> None:
        """Give up everything in flight; calls stay on the bill at their upper bound."""
        for task in self._tasks:
            task.cancel()

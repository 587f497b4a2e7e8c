"""Turns of model calls: each reserves its cost shortly before a slot is free for it, and frees the slot once answered.

To book a call is to wait for the disk, twice. A slot that waited with it would stand idle for that long. Where there
are few slots, nothing is booked ahead. A call that waits for money has no slot: what it waits for may be the cost of
one that is booked and waits for a slot.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from codemonkeys.engine.ending import Ending
from codemonkeys.engine.queues import Priority, PriorityQueue
from codemonkeys.models.base import Completion, Request
from codemonkeys.models.throttle import Throttle

AHEAD = 8
"""For this many slots, one call more than there are free ones is booked: what a killed process has on the bill though
it was never sent."""
UNCALLED = 4
"""At least so many tasks may have begun without a call so far, also where there are fewer slots."""


class _Places:
    """Limits the calls that are booked and not sent: as many as have a free slot, or as are sent soon."""

    def __init__(self, throttle: Throttle, ending: Ending) -> None:
        self._throttle, self._ending = throttle, ending
        self._taken = 0
        self.turns = 0
        """Calls that are booked, sent, or answered and not stored: the next ones follow from those."""
        self.uncalled: set[str] = set()
        """Tasks that have begun and not called so far: their first calls are to come."""
        self.unpaid = 0
        """Calls that wait for money. They count as sent: others are not to be booked in their place without end."""

    def acquire(self, size: int) -> float:
        """Take a place for a call of `size` tokens; see `Resource`.

        A task that begins has 0: it waits for a slot that nothing else does, unless the run is about to end.
        """
        free, slots = self._throttle.free - self.unpaid, int(self._throttle.concurrency)
        soon, most = slots // AHEAD, math.inf
        if size:
            # Where a rate holds calls back, a free slot does not mean that another one goes out.
            most = min(max(1 if self._throttle.is_rated else free, soon), free + soon)
        elif not self._ending.is_near:
            most = int(free > 0 and self.turns < slots and len(self.uncalled) < max(slots, UNCALLED))
        if self._taken >= most:
            return math.inf
        self._taken += 1
        return 0.0

    def release(self, size: int) -> None:
        """Give it back."""
        self._taken -= 1


class CallQueue:
    """The calls of one model, in the order of their priorities."""

    def __init__(self, throttle: Throttle, ending: Ending) -> None:
        self._limit = _Places(throttle, ending)
        self._places = PriorityQueue(self._limit, ends=lambda: ending.is_near)
        self._slots, self._throttle = PriorityQueue(throttle, ends=lambda: ending.is_near), throttle

    @asynccontextmanager
    async def turn(self, priority: Priority, tokens: int, task: str = "") -> AsyncIterator[Turn]:
        """Wait until a call of a task may be booked."""
        self._limit.uncalled.discard(task)
        await self._places.enter(priority, tokens)
        turn = Turn(self._limit, self._places, self._slots, self._throttle, priority, tokens)
        self._limit.turns += 1
        try:
            yield turn
        finally:
            self._limit.turns -= 1
            turn.end()
            self._places.admit()

    @asynccontextmanager
    async def slot_to_begin(self, priority: Priority, task: str = "") -> AsyncIterator[None]:
        """Wait until a slot is free that no call waits for, nor the first call of a task that has begun."""
        async with self._places.slot(priority):
            if task:
                self._limit.uncalled.add(task)
            yield

    def has_called(self, task: str) -> None:
        """A task has called, if elsewhere, or will not: no slot is kept for its first call."""
        if task in self._limit.uncalled:
            self._limit.uncalled.remove(task)
            self._places.admit()


class Turn:
    """The turn of one call: a place among those that are booked, then a slot until it is answered."""

    def __init__(
        self,
        limit: _Places,
        places: PriorityQueue,
        slots: PriorityQueue,
        throttle: Throttle,
        priority: Priority,
        tokens: int,
    ) -> None:
        """It begins with a place that was taken."""
        self._limit, self._places, self._slots, self._throttle = limit, places, slots, throttle
        self._priority, self._tokens = priority, tokens
        self._leave: Callable[[], None] | None = self._leave_place
        """Gives back what is held."""
        self._is_asking = self._had_to_wait = False
        self.has_ended = False
        """Whether nobody waits for the call any more."""

    @property
    def is_unwanted(self) -> bool:
        """Whether whoever waited for the call is gone since there was no slot for it: it need not be sent."""
        return self.has_ended and self._had_to_wait

    async def take_slot(self) -> None:
        """Wait for a slot, unless it is held already."""
        if self._leave != self._leave_slot:
            self._had_to_wait = self._throttle.free <= 0
            await self._slots.enter(self._priority, self._tokens)
            self._hold(self._leave_slot)

    def lack_money(self) -> None:
        """Leave place and slot to others until `take_slot`."""
        if self._leave != self._leave_unpaid:
            self._limit.unpaid += 1
            self._hold(self._leave_unpaid)

    def asking(self, ask: Callable[[Request], Awaitable[Completion]]) -> Callable[[Request], Awaitable[Completion]]:
        """A way to ask that frees the slot once there is an answer, where another call may be booked for it.

        With fewer slots none is booked ahead, and one freed so early would go to whatever waits, before the call that
        follows from this answer: it is kept until the answer is stored.
        """

        async def ask_and_leave(request: Request) -> Completion:
            self._is_asking = True
            try:
                return await ask(request)
            finally:
                self._is_asking = False
                if int(self._throttle.concurrency) >= AHEAD:
                    self._hold(None)

        return ask_and_leave

    def end(self) -> None:
        """Nobody waits for the call any more. One that has been sent keeps its slot until it is answered."""
        self.has_ended = True
        if not self._is_asking:
            self._hold(None)

    def _hold(self, leave: Callable[[], None] | None) -> None:
        """Hold what was taken, to be given back so, or nothing; what was held is given back."""
        before, self._leave = self._leave, leave
        if before is not None:
            before()

    def _leave_place(self) -> None:
        self._places.leave(self._tokens)

    def _leave_slot(self) -> None:
        self._slots.leave(self._tokens)
        self._places.admit()

    def _leave_unpaid(self) -> None:
        self._limit.unpaid -= 1
        self._places.admit()

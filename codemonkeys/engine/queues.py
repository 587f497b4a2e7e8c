"""Priority queues in front of limited resources."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple, Protocol

from codemonkeys.stages import BEGIN, priority_of
from sandboxes.base import Capacity

AGAIN = 0.5
"""Seconds after which a queue of which nobody holds a slot looks again: what another one gives back, it is not told."""


class Priority(NamedTuple):
    """What decides about the order of a queue: later stages go first, and among equals the earlier task.

    When a run is about to end, earlier stages go first, and among equals earlier turns.
    """

    stage: int
    """Smaller for later ones."""
    position: int
    turn: int = 0


def priority(stage: str, position: int, turn: int = 0) -> Priority:
    """The priority of a step of a stage, of the task at a position of the run. `turn`: of its conversation."""
    return Priority(-priority_of(stage), position, turn)


def order_of(priority: Priority, is_ending: bool) -> tuple[int, ...]:
    """Sorts those that wait, smallest first."""
    stage, position, turn = priority
    return (-stage, turn, position) if is_ending else (stage, position)


def priority_to_begin(position: int) -> Priority:
    """The priority of beginning another task: below every step."""
    return Priority(-BEGIN, position)


class Resource(Protocol):
    """Something of which only a limited amount is in use at a time."""

    def acquire(self, size: int) -> float:
        """Take `size` of it: 0 if there was enough, else seconds until there may be; inf: once some is released."""
        ...

    def release(self, size: int) -> None:
        """Give it back."""
        ...


class _Waiter(NamedTuple):
    """Ordered by priority, then by arrival."""

    order: tuple[int, ...]
    number: int
    priority: Priority
    size: int
    owner: str
    admitted: asyncio.Future[None]


def no_share() -> float:
    """Any number of slots may be one owner's."""
    return math.inf


def never() -> bool:
    """No run is about to end."""
    return False


class PriorityQueue:
    """A queue in front of a resource.

    `share`: who holds this many slots goes after everybody who holds fewer, whatever the priorities. `ends`: whether
    the run is about to end.
    """

    def __init__(
        self, resource: Resource, share: Callable[[], float] = no_share, ends: Callable[[], bool] = never
    ) -> None:
        self.resource = resource
        self._share, self._ends = share, ends
        self._waiters: dict[str, list[_Waiter]] = {}
        """Heaps, by owner."""
        self._held: Counter[str] = Counter()
        self._order: list[tuple[bool, _Waiter]] = []
        """Heap of the first waiters of owners, with whether these hold their share; some are outdated."""
        self._shared = math.inf
        """The share by which they are ordered."""
        self._is_ending = False
        """Whether they are ordered as at the end of a run."""
        self._numbers = itertools.count()
        self._timer: asyncio.TimerHandle | None = None

    @asynccontextmanager
    async def slot(self, priority: Priority, size: int = 0, owner: str = "") -> AsyncIterator[None]:
        """Wait for a slot, and hold it for the length of the block."""
        await self.enter(priority, size, owner)
        try:
            yield
        finally:
            self.leave(size, owner)

    async def enter(self, priority: Priority, size: int = 0, owner: str = "") -> None:
        """Wait for a slot; whoever has it gives it back by `leave`, with the same size and owner."""
        if not self._waiters and self.resource.acquire(size) == 0:
            self._held[owner] += 1
            return
        admitted = asyncio.get_running_loop().create_future()
        waiter = _Waiter(order_of(priority, self._is_ending), next(self._numbers), priority, size, owner, admitted)
        heapq.heappush(self._waiters.setdefault(owner, []), waiter)
        self._place(owner)
        self.admit()
        try:
            await admitted
        except asyncio.CancelledError:
            if admitted.done() and not admitted.cancelled():
                self.leave(size, owner)
            else:
                self.admit()
            raise

    def leave(self, size: int = 0, owner: str = "") -> None:
        """Give a slot back."""
        self.resource.release(size)
        self._held[owner] -= 1
        if not self._held[owner]:
            del self._held[owner]
        self._place(owner)
        self.admit()

    def admit(self) -> None:
        """Admit waiters in order while they fit. The first one that does not fit blocks the rest, and never starves."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while (first := self._first()) is not None:
            seconds = self.resource.acquire(first.size)
            if seconds > 0:
                if not self._held:
                    seconds = min(seconds, AGAIN)
                if seconds < math.inf:
                    self._timer = asyncio.get_running_loop().call_later(seconds, self.admit)
                return
            self._held[first.owner] += 1
            self._pop(first.owner)
            first.admitted.set_result(None)

    def _first(self) -> _Waiter | None:
        """The waiter that is next; those that gave up are forgotten."""
        if not self._waiters:
            return None
        if (is_ending := self._ends()) != self._is_ending:
            self._is_ending, self._shared = is_ending, math.nan  # No share equals it: all are placed anew.
            for heap in self._waiters.values():
                heap[:] = [waiter._replace(order=order_of(waiter.priority, is_ending)) for waiter in heap]
                heapq.heapify(heap)
        if (share := self._share()) != self._shared or len(self._order) > 2 * len(self._waiters) + 64:
            self._shared, self._order = share, []
            for owner in self._waiters:
                self._place(owner)
        while self._order:
            first = self._order[0][1]
            if self._order[0] != self._entry(first.owner):
                heapq.heappop(self._order)
            elif first.admitted.cancelled():
                self._pop(first.owner)
            else:
                return first
        return None

    def _entry(self, owner: str) -> tuple[bool, _Waiter] | None:
        heap = self._waiters.get(owner)
        return (self._held[owner] >= self._shared, heap[0]) if heap else None

    def _place(self, owner: str) -> None:
        if (entry := self._entry(owner)) is not None:
            heapq.heappush(self._order, entry)

    def _pop(self, owner: str) -> None:
        """Forget the first waiter of an owner."""
        heap = self._waiters[owner]
        heapq.heappop(heap)
        if heap:
            self._place(owner)
        else:
            del self._waiters[owner]


class ExecutionSlots:
    """Limits executions: how many run at a time, and how much memory they may take together; one always fits."""

    def __init__(
        self,
        most: int | None,
        memory_mb: int | None,
        capacity: Callable[[], Capacity] | None = None,
        ahead: int = 1,
    ) -> None:
        """`capacity`: what there is of both now, so many times of which (`ahead`) limits them where they are None."""
        self._most, self._memory, self._capacity, self._ahead = most, memory_mb, capacity, ahead
        self._running = self._taken = 0

    def acquire(self, size: int) -> float:
        """Take a slot and `size` MiB; see `Resource`."""
        now = Capacity(0, 0, 0) if self._capacity is None else self._capacity()
        most = now.executions * self._ahead if self._most is None else self._most
        memory = now.memory_mb * self._ahead if self._memory is None else self._memory
        if self._running and (self._running >= most or self._taken + size > memory):
            return math.inf
        self._running += 1
        self._taken += size
        return 0.0

    def release(self, size: int) -> None:
        """Give them back."""
        self._running -= 1
        self._taken -= size

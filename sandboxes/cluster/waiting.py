"""Requests that wait for a place, in queues of equal ones."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from sandboxes.cluster.node_state import Request


class Queue(NamedTuple):
    """Equal requests that wait, in the order in which they came; never empty."""

    request: Request
    waiting: deque[int]
    """Their tickets."""


def age(queue: Queue) -> tuple[bool, int]:
    """Order of queues: what needs no cores first, then what waits longest."""
    return queue.request.cores > 0, queue.waiting[0]


class Waiting:
    """All queues: found by what they wait for, as there are many of them and most events concern one environment."""

    def __init__(self) -> None:
        self._queues: dict[str, dict[Request, Queue]] = {}
        """By environment, then by request."""
        self.sizes: Counter[tuple[float, int]] = Counter()
        """How many of them need so many cores and so much memory."""

    def __bool__(self) -> bool:
        return bool(self._queues)

    def __iter__(self) -> Iterator[Queue]:
        for queues in self._queues.values():
            yield from queues.values()

    @property
    def environments(self) -> Collection[str]:
        """Those that something waits for."""
        return self._queues.keys()

    @property
    def needs_no_core(self) -> bool:
        """Whether that is true of any request."""
        return any(cores == 0 for cores, _ in self.sizes)

    def of(self, environment: str) -> Collection[Queue]:
        """The queues for an environment."""
        found = self._queues.get(environment)
        return found.values() if found else ()

    def among(self, environments: Iterable[str]) -> Iterator[Queue]:
        """The queues for any of these environments."""
        for environment in environments:
            if found := self._queues.get(environment):
                yield from found.values()

    def add(self, request: Request, ticket: int) -> Queue:
        """Add a request at the end of its queue."""
        queues = self._queues.setdefault(request.environment, {})
        if (queue := queues.get(request)) is None:
            queue = queues[request] = Queue(request, deque())
        queue.waiting.append(ticket)
        self.sizes[request.cores, request.memory_mb] += 1
        return queue

    def take(self, queue: Queue) -> int:
        """Take out what waits longest in a queue."""
        ticket = queue.waiting.popleft()
        self._tidy(queue)
        return ticket

    def remove(self, request: Request, ticket: int) -> None:
        """Take out one that waits no longer."""
        queue = self._queues[request.environment][request]
        queue.waiting.remove(ticket)
        self._tidy(queue)

    def _tidy(self, queue: Queue) -> None:
        request = queue.request
        size = request.cores, request.memory_mb
        self.sizes[size] -= 1
        if not self.sizes[size]:
            del self.sizes[size]
        if not queue.waiting:
            queues = self._queues[request.environment]
            del queues[request]
            if not queues:
                del self._queues[request.environment]

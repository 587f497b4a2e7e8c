"""Containers started ahead of the scripts that will run in them, and containers kept for a candidate's next script."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from typing import TypeVar

from sandboxes.base import SandboxError
from sandboxes.container import Container, Kind

Candidate = tuple[Kind, str | None]
"""What a kept container may be used for again: the same kind, and the same patch."""
Key = TypeVar("Key")


class Pool:
    """Hands out containers; safe to call from many threads.

    `start` starts one. For each kind in use, `ahead` of them wait; over all kinds no more than `most` wait or are kept,
    and those of the kind that was not used for longest go first.
    """

    def __init__(self, start: Callable[[Kind], Container], ahead: int, most: int) -> None:
        self._start = start
        self._ahead = ahead
        self._most = most
        self._lock = threading.Lock()
        self._waiting: OrderedDict[Kind, deque[Future[Container]]] = OrderedDict()
        self._kept: OrderedDict[Candidate, deque[Future[Container]]] = OrderedDict()
        self._threads = ThreadPoolExecutor(max(ahead, 1), thread_name_prefix="containers")
        self._closed = False

    def take(self, kind: Kind, patch: str | None) -> Container:
        """A container that waits for a script: one kept for this candidate, one started ahead, or a new one.

        Raises SandboxError, or what `start` raises.
        """
        while True:
            with self._lock:
                if self._closed:
                    raise SandboxError("the sandbox was closed")
                future, new = self._next(kind, patch)
            try:
                container = future.result()
            except CancelledError:
                raise SandboxError("the sandbox was closed") from None
            except Exception:
                if new:
                    raise
                continue  # it failed a while ago: that says nothing of now
            if container.alive():
                with self._lock:
                    self._start_ahead(kind)
                return container
            container.close()
            if new:
                raise SandboxError("the container ended before it got a script")

    def give_back(self, kind: Kind, patch: str | None, container: Container) -> None:
        """Keep a container for the candidate's next script, if it proves to be as it was."""
        with self._lock:
            if self._closed:
                container.close()
                return
            future = self._threads.submit(_clean, container)
            self._kept.setdefault((kind, patch), deque()).append(future)
            self._kept.move_to_end((kind, patch))
            _shrink(self._kept, self._most)

    def close(self) -> None:
        """Let go of all; no thread is left."""
        with self._lock:
            self._closed = True
            waiting = [future for queue in self._waiting.values() for future in queue]
            kept = [future for queue in self._kept.values() for future in queue]
            self._waiting.clear()
            self._kept.clear()
        # One that is kept is there already: what sees to it being clean must come to its end.
        for future in waiting:
            future.cancel()
        for future in (*waiting, *kept):
            _let_go(future)
        self._threads.shutdown(wait=True)

    def _next(self, kind: Kind, patch: str | None) -> tuple[Future[Container], bool]:
        """A container that is, or will be, there; and whether it was started just now."""
        future = _pop(self._kept, (kind, patch)) or _pop(self._waiting, kind)
        return (future, False) if future else (self._threads.submit(self._start, kind), True)

    def _start_ahead(self, kind: Kind) -> None:
        queue = self._waiting.setdefault(kind, deque())
        self._waiting.move_to_end(kind)
        while len(queue) < self._ahead and not self._closed:
            queue.append(self._threads.submit(self._start, kind))
        _shrink(self._waiting, self._most)


def _pop(queues: OrderedDict[Key, deque[Future[Container]]], key: Key) -> Future[Container] | None:
    queue = queues.get(key)
    if not queue:
        return None
    future = queue.popleft()
    if not queue:
        del queues[key]
    return future


def _shrink(queues: OrderedDict[Key, deque[Future[Container]]], most: int) -> None:
    """Let go of what was not used for longest, but for the last key."""
    while len(queues) > 1 and sum(map(len, queues.values())) > most:
        _, queue = queues.popitem(last=False)
        for future in queue:
            _let_go(future)


def _clean(container: Container) -> Container:
    if why := container.fault():
        container.close()
        raise SandboxError(why)
    return container


def _let_go(future: Future[Container]) -> None:
    """Close a container that is there, or as soon as it is."""

    def close(ended: Future[Container]) -> None:
        with contextlib.suppress(Exception):
            ended.result().close()

    future.add_done_callback(close)

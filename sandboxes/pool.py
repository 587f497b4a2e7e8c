"""Containers started ahead of use, and containers kept for the next script on the same patch."""

from __future__ import annotations

import contextlib
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from sandboxes.base import SandboxError
from sandboxes.container import Container, Kind

Candidate = tuple[Kind, str | None]
"""A kept container may be reused for the same kind and the same patch."""
Key = TypeVar("Key")


class Pool:
    """Hands out containers. Thread-safe.

    `start`: starts one. `ahead`: containers waiting for each kind in use. `most`: maximum number of waiting, and of
    kept, containers over all kinds; those of the least recently used kind go first.
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
        """A container that waits for a script: one kept for this patch, one started ahead, or a new one.

        Raises SandboxError and whatever `start` raises.
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
                continue  # it failed earlier, which says nothing about now
            if container.alive():
                with self._lock:
                    self._start_ahead(kind)
                return container
            container.close()
            if new:
                raise SandboxError("the container ended before it got a script")

    def give_back(self, kind: Kind, patch: str | None, container: Container) -> None:
        """Keep a container for the next script on this patch, if it turns out clean."""
        with self._lock:
            if self._closed:
                container.close()
                return
            future = self._threads.submit(_clean, container)
            self._kept.setdefault((kind, patch), deque()).append(future)
            self._kept.move_to_end((kind, patch))
            _shrink(self._kept, self._most)

    def drop(self, image: str) -> None:
        """Close the containers of an image that wait, and those that are kept; returns once they are gone."""
        with self._lock:
            waiting = [self._waiting.pop(kind) for kind in list(self._waiting) if kind.environment.image == image]
            kept = [self._kept.pop(key) for key in list(self._kept) if key[0].environment.image == image]
        futures = [future for queue in (*waiting, *kept) for future in queue]
        for future in futures:
            _release(future)
        wait(futures)

    def close(self) -> None:
        """Close all containers and end all threads."""
        with self._lock:
            self._closed = True
            waiting = [future for queue in self._waiting.values() for future in queue]
            kept = [future for queue in self._kept.values() for future in queue]
            self._waiting.clear()
            self._kept.clear()
        # Kept containers exist already: their check for cleanliness must run to its end.
        for future in waiting:
            future.cancel()
        for future in (*waiting, *kept):
            _release(future)
        self._threads.shutdown(wait=True)

    def _next(self, kind: Kind, patch: str | None) -> tuple[Future[Container], bool]:
        """The future of a container, and whether it was started just now."""
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
    """Release the least recently used containers, sparing those of the last key."""
    while len(queues) > 1 and sum(map(len, queues.values())) > most:
        _, queue = queues.popitem(last=False)
        for future in queue:
            _release(future)


def _clean(container: Container) -> Container:
    if why := container.fault():
        container.close()
        raise SandboxError(why)
    return container


def _release(future: Future[Container]) -> None:
    """Close a container, now or as soon as it has started."""

    def close(ended: Future[Container]) -> None:
        with contextlib.suppress(Exception):
            ended.result().close()

    future.add_done_callback(close)

"""Texts that cross the wire once per node: the driver knows what it has sent, the node keeps it by its hash."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")

SHORT = 512
"""Characters of texts that are sent each time, as no hash would make them much shorter."""
MOST_SENT = 1024
"""Hashes that the driver remembers of each node: it sends again what it has forgotten."""
MOST_KEPT = 256 << 20
"""Bytes that a node keeps: it asks again for what it has dropped."""


class Ref(NamedTuple):
    """A text that was sent before, by its hash."""

    hash: bytes


def hash_of(text: str) -> bytes:
    """The hash of a text, surrogates included."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Sent:
    """What a node has been sent: the last of it. Thread-safe."""

    def __init__(self, most: int = MOST_SENT) -> None:
        self._most, self._lock = most, threading.Lock()
        self._known: OrderedDict[Hashable, None] = OrderedDict()

    def __contains__(self, key: Hashable) -> bool:
        with self._lock:
            if key not in self._known:
                return False
            self._known.move_to_end(key)
            return True

    def add(self, key: Hashable) -> None:
        """Remember that it was sent."""
        with self._lock:
            self._known[key] = None
            self._known.move_to_end(key)
            if len(self._known) > self._most:
                self._known.popitem(last=False)

    def forget(self, key: Hashable) -> None:
        """The node does not have it."""
        with self._lock:
            self._known.pop(key, None)


class Kept(Generic[T]):
    """What a node has been sent, by key, up to a number of bytes. Thread-safe."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most, self._lock, self._bytes = most, threading.Lock(), 0
        self._known: OrderedDict[Hashable, tuple[T, int]] = OrderedDict()

    def put(self, key: Hashable, value: T, size: int) -> None:
        """Keep a value of so many bytes; others go if that is too much."""
        with self._lock:
            if key in self._known:
                self._bytes -= self._known.pop(key)[1]
            self._known[key] = (value, size)
            self._bytes += size
            while self._bytes > self._most and len(self._known) > 1:
                self._bytes -= self._known.popitem(last=False)[1][1]

    def get(self, key: Hashable) -> T | None:
        """The value, if it is still here."""
        with self._lock:
            if key not in self._known:
                return None
            self._known.move_to_end(key)
            return self._known[key][0]

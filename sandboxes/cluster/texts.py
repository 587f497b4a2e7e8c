"""Texts that cross the wire once per node: the driver knows what it has sent, the node keeps it by its hash."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import Generic, NamedTuple, TypeVar

from sandboxes.cluster.last_used import keep_last

T = TypeVar("T")
Key = bytes | str
"""The hash of a text, or the id of a layer."""

SHORT = 512
"""Characters of texts that are sent each time, as a hash would not be much shorter."""
MOST_SENT = 512
"""Keys that the driver remembers of each node, 85 bytes each; what it has forgotten it sends again. A node of 16 cores
is busy with a few tasks at a time, which have some tens of texts each."""
MOST_KEPT = 256 << 20
"""Bytes that a node keeps; what it has dropped it asks for again."""


class Ref(NamedTuple):
    """A text that was sent before."""

    hash: bytes


def hash_of(text: str) -> bytes:
    """The hash of a text, surrogates included."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class Sent:
    """What a node has been sent: the last of it. Thread-safe."""

    def __init__(self, most: int = MOST_SENT) -> None:
        self._most, self._lock = most, threading.Lock()
        self._known: dict[Key, None] = {}
        """The last used at the end: a driver has one of these for each node, so it is not an OrderedDict."""

    def __len__(self) -> int:
        return len(self._known)

    def __contains__(self, key: Key) -> bool:
        with self._lock:
            if key not in self._known:
                return False
            keep_last(self._known, key, None, self._most)
            return True

    def add(self, key: Key) -> None:
        """Remember that it was sent."""
        with self._lock:
            keep_last(self._known, key, None, self._most)

    def forget(self, key: Key) -> None:
        """The node does not have it."""
        with self._lock:
            self._known.pop(key, None)


class Kept(Generic[T]):
    """What a node has been sent, by key, the last used up to a number of bytes. Thread-safe."""

    def __init__(self, most: int = MOST_KEPT) -> None:
        self._most, self._lock, self._bytes = most, threading.Lock(), 0
        self._known: OrderedDict[Key, tuple[T, int]] = OrderedDict()

    def put(self, key: Key, value: T, size: int) -> None:
        """Keep a value of so many bytes; others go if that is too much."""
        with self._lock:
            if key in self._known:
                self._bytes -= self._known.pop(key)[1]
            self._known[key] = (value, size)
            self._bytes += size
            while self._bytes > self._most and len(self._known) > 1:
                self._bytes -= self._known.popitem(last=False)[1][1]

    def get(self, key: Key) -> T | None:
        """The value, if it is still here."""
        with self._lock:
            if key not in self._known:
                return None
            self._known.move_to_end(key)
            return self._known[key][0]

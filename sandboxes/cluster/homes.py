"""Which nodes the sessions of a cluster are at home on."""

from __future__ import annotations

import threading

from sandboxes.cluster.last_used import keep_last
from sandboxes.layers import EMPTY

MOST_LAYERS = 4096
"""Layers of sessions of which the driver remembers the node."""


class Homes:
    """The nodes of sessions, by the ids of their layers, of which the newest are kept. Thread-safe."""

    def __init__(self, most: int = MOST_LAYERS) -> None:
        self._most, self._lock, self._known = most, threading.Lock(), dict[str, str]()

    def get(self, layer: str) -> str | None:
        """The node where the session with this layer is."""
        return self._known.get(layer)

    def put(self, layer: str, node: str) -> None:
        """Remember the node; every session begins with the empty layer, which is at home nowhere."""
        if layer == EMPTY.id:
            return
        with self._lock:
            keep_last(self._known, layer, node, self._most)

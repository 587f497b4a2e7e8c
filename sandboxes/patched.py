"""What patches change: each is applied once in its environment, and laid as a layer for every further script.

A layer is a value. Each run writes it to files of its own, so that nothing a script does to them is seen by the next.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from sandboxes.base import Environment, Limits
from sandboxes.layers import Layer
from sandboxes.sessions import read_layer
from sandboxes.upper import SKIPPED

_MOST_BYTES = 32 << 20
"""Content that is kept; what was needed longest ago goes first."""

_Key = tuple[str, object, object, str, str, int]


class Patched:
    """Layers by environment and patch. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._layers: OrderedDict[_Key, Layer] = OrderedDict()
        self._bytes = 0

    def get(self, environment: Environment, patch: str, limits: Limits) -> Layer | None:
        """What a patch changes, if that is known."""
        key = _key(environment, patch, limits)
        with self._lock:
            layer = self._layers.get(key)
            if layer is not None:
                self._layers.move_to_end(key)
            return layer

    def add(self, environment: Environment, patch: str, limits: Limits, gathered: bytes) -> None:
        """Keep what a patch has changed, as `upper.gather` wrote it; nothing if that is not all."""
        layer = read_layer(gathered)
        if isinstance(layer, str) or any(name in patch for name in SKIPPED):
            return
        layer, key = layer.below(environment.repository), _key(environment, patch, limits)
        with self._lock:
            if key in self._layers:
                return
            self._layers[key] = layer
            self._bytes += _size(key, layer)
            while self._bytes > _MOST_BYTES:
                self._bytes -= _size(*self._layers.popitem(last=False))

    def clear(self) -> None:
        """Forget all: an environment is being changed."""
        with self._lock:
            self._layers.clear()
            self._bytes = 0


def _key(environment: Environment, patch: str, limits: Limits) -> _Key:
    # A patch may be too large for the disk, which is for git to say.
    about = environment.name, environment.root, environment.folders, environment.repository
    return *about, patch, limits.disk_mb


def _size(key: _Key, layer: Layer) -> int:
    return len(key[4]) + layer.size + 1000 * len(layer.entries)

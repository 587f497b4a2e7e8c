"""What patches change: each is applied once in its environment, and laid as a layer for every further script.

A layer is a value. Each run writes it to files of its own, so that nothing a script does to them is seen by the next.
It stands for the patch as long as what it replaces is as it was when the patch was applied.
"""

from __future__ import annotations

import os
import stat
import threading
from collections import OrderedDict
from typing import NamedTuple

from sandboxes.base import Environment, Limits
from sandboxes.layers import Layer, parents
from sandboxes.sessions import read_layer

_MOST_BYTES = 32 << 20
"""Content that is kept; what was needed longest ago goes first."""
_COPY = "\ncopy from "
"""Begins a line of patches whose result depends on a file that they leave as it is."""

_Key = tuple[str, object, object, str, str, int]
_Seen = tuple[tuple[int, ...], ...]


class _Kept(NamedTuple):
    layer: Layer
    seen: _Seen
    """What there was outside in its places."""


class Patched:
    """Layers by environment and patch. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._bytes = 0
        self.cleared = 0
        """How often all was forgotten."""

    def get(self, environment: Environment, patch: str, limits: Limits) -> Layer | None:
        """What a patch changes, if that is known."""
        key = _key(environment, patch, limits)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
        if kept is None:
            return None
        if _seen(environment, kept.layer) == kept.seen:
            return kept.layer
        with self._lock:
            if self._kept.get(key) is kept:
                del self._kept[key]
                self._bytes -= _size(key, kept)
        return None

    def add(self, environment: Environment, patch: str, limits: Limits, gathered: bytes, cleared: int) -> None:
        """Keep what a patch has changed, as `upper.gather` wrote it; nothing if that is not all.

        `cleared`: as it was before the patch was applied.
        """
        layer = read_layer(gathered)
        if isinstance(layer, str) or _COPY in patch:
            return
        layer, key = layer.below(environment.repository), _key(environment, patch, limits)
        # Where links lead to the repository, what has changed lies elsewhere.
        if not layer.entries:
            return
        kept = _Kept(layer, _seen(environment, layer))
        with self._lock:
            if key in self._kept or cleared != self.cleared:
                return
            self._kept[key] = kept
            self._bytes += _size(key, kept)
            while self._bytes > _MOST_BYTES:
                self._bytes -= _size(*self._kept.popitem(last=False))

    def clear(self) -> None:
        """Forget all: an environment is being changed."""
        with self._lock:
            self._kept.clear()
            self._bytes = 0
            self.cleared += 1


def _key(environment: Environment, patch: str, limits: Limits) -> _Key:
    # A patch may be too large for the disk, which is for git to say.
    about = environment.name, environment.root, environment.folders, environment.repository
    return *about, patch, limits.disk_mb


def _size(key: _Key, kept: _Kept) -> int:
    return len(key[4]) + kept.layer.size + 1000 * len(kept.layer.entries)


def _seen(environment: Environment, layer: Layer) -> _Seen:
    """What there is outside where a layer's entries lie, and above them in the repository."""
    outside: dict[str, object] = dict(environment.folders)
    found: dict[str, tuple[int, ...]] = {}
    for entry in layer.entries:
        above = [path for path in parents(entry.path) if path.startswith(f"{environment.repository}/")]
        for path in (*above, entry.path):
            if path not in found:
                folder = next((one for one in reversed(parents(f"{path}/")) if one in outside), "")
                real = f"{outside.get(folder, environment.root)}{path[len(folder) :]}"
                found[path] = _told(real, path == entry.path and entry.kind != "folder")
    return tuple(found.values())


def _told(path: str, closely: bool) -> tuple[int, ...]:
    """The identity of a file or folder, and of what may be replaced also when it changed; empty if there is none."""
    try:
        seen = os.lstat(path)
    except OSError:
        return ()
    identity = seen.st_dev, seen.st_ino, seen.st_mode
    if stat.S_ISDIR(seen.st_mode) and not closely:
        return identity
    return *identity, seen.st_size, seen.st_mtime_ns, seen.st_ctime_ns

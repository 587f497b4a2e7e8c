"""A layer: what the commands of a session have changed, as a value that can be stored, compared and laid again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple

MOST_BYTES = 64 << 20
"""Content that a layer may hold; a command that leaves more loses its changes."""
MOST_ENTRIES = 50_000

Kind = Literal["file", "link", "folder", "replaced", "gone"]
"""`folder`: one that is new, or has another mode. `replaced`: a folder, none of whose earlier content is left.
`gone`: removed, with all below it."""
KINDS = ("file", "link", "folder", "replaced", "gone")


class Entry(NamedTuple):
    """What has become of one path."""

    path: str
    """Absolute path inside; surrogate escapes stand for bytes that are not UTF-8."""
    kind: Kind
    mode: int = 0
    """Permission bits, of files and folders."""
    content: bytes = b""
    """Of a file its bytes, of a symbolic link its target."""
    changed_ns: int = 0
    """Time of the last change, of a file: build tools go by it. No part of what makes layers equal."""


@dataclass(frozen=True)
class Layer:
    """Differences from an environment, sorted by path. Equal entries, times aside, make an equal `id`."""

    entries: tuple[Entry, ...] = field(default=(), compare=False)
    id: str = field(init=False, default="")

    def __post_init__(self) -> None:
        """Raises ValueError unless the entries can be laid: absolute paths, none below something that is no folder."""
        digest = hashlib.sha256()
        before, closed = "", "\0"
        for path, kind, mode, content, _ in self.entries:
            if path[:1] != "/" or path[:2] == "//" or "\0" in path or os.path.normpath(path) != path or path == "/":
                raise ValueError(f"{path!r} is not an absolute path below the root")
            if kind not in KINDS or _order(path) <= _order(before) or path.startswith(closed):
                raise ValueError(f"{path!r} cannot stand in a layer after {before!r}")
            if kind not in ("folder", "replaced"):
                closed = f"{path}/"
            before = path
            name = path.encode("utf-8", "surrogateescape")
            digest.update(b"%s %o %d %d\n%s%s" % (kind.encode(), mode, len(name), len(content), name, content))
        object.__setattr__(self, "id", digest.hexdigest())

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> Layer:
        """A layer of entries in any order, the last one of each path."""
        return cls(tuple(sorted({entry.path: entry for entry in entries}.values(), key=lambda e: _order(e.path))))

    @cached_property
    def size(self) -> int:
        """Bytes of content."""
        return sum(len(entry.content) for entry in self.entries)

    def get(self, path: str) -> Entry | None:
        """The entry of exactly this path."""
        return self._by_path.get(path)

    def hides(self, path: str) -> bool:
        """Whether nothing of the environment is seen at a path, as it, or a folder above it, is gone or replaced."""
        own = self._by_path.get(path)
        if own is not None and own.kind != "folder":
            return True
        above = (self._by_path.get(parent) for parent in parents(path))
        return any(entry is not None and entry.kind != "folder" for entry in above)

    def below(self, folder: str) -> Layer:
        """The entries below a folder."""
        return Layer(tuple(entry for entry in self.entries if entry.path.startswith(f"{folder}/")))

    def without(self, path: str) -> Layer:
        """The layer without what it says of a path and all below it."""
        kept = (e for e in self.entries if e.path != path and not e.path.startswith(f"{path}/"))
        return Layer(tuple(kept))

    def with_entries(self, entries: Iterable[Entry]) -> Layer:
        """The layer with other entries in place of its own; what lies below a path that is no folder goes."""
        found = {entry.path: entry for entry in self.entries}
        for entry in entries:
            for parent in parents(entry.path):
                if parent in found and found[parent].kind not in ("folder", "replaced"):
                    # What was there is hidden, and a folder takes its place.
                    found[parent] = Entry(parent, "replaced", 0o755)
            if entry.kind not in ("folder", "replaced"):
                for path in [path for path in found if path.startswith(f"{entry.path}/")]:
                    del found[path]
            found[entry.path] = entry
        return Layer.of(found.values())

    @cached_property
    def _by_path(self) -> dict[str, Entry]:
        return {entry.path: entry for entry in self.entries}


EMPTY = Layer()
"""No changes."""


def parents(path: str) -> list[str]:
    """The folders above an absolute path, from the top, without the root."""
    parts = path.split("/")
    return ["/".join(parts[:length]) for length in range(2, len(parts))]


def _order(path: str) -> list[str]:
    """Sorts a folder directly before all that lies in it."""
    return path.split("/")

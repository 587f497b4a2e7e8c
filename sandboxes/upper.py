"""What a run has changed: laid into the folders that its overlays write to, and gathered from them when it has ended.

All of this happens in processes that zygote.py has forked. The folders are those of the first root, see namespace.py:
`laid` before the overlays are mounted, by the process that mounts them; gathered by its parent, from descriptors, when
every process of the run has ended. Entries are tuples like those of layers.py.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import socket
import stat
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

OPAQUE = "user.overlay.opaque"
OUTPUT = 3
"""The descriptor that what has changed is written to."""
SKIPPED = frozenset({"__pycache__"})
"""Folders of caches, which are no part of a layer."""
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW

Plain = tuple[str, str, int, bytes, int]
"""An entry: path, kind, mode, content, time of the last change."""


Handed = tuple[bytes, list[int]]
"""A message, and the descriptors that came with it."""


class Place(NamedTuple):
    """A folder of the new root that a run may write."""

    path: str
    """Inside; empty for the root itself."""
    upper: str
    """The folder, of the first root, that holds what is written."""
    lower: str = ""
    """What it is laid over; empty if nothing."""


def place_of(path: str, places: Sequence[str]) -> str:
    """Which of these places a path lies in: the innermost one. Raises ValueError for a path in none."""
    inside = [place for place in places if path.startswith(f"{place}/")]
    if not inside:
        raise ValueError(f"{path} cannot be written")
    return max(inside, key=len)


def lay(entries: Sequence[Plain], place: Place, places: Sequence[str]) -> None:
    """Put those entries of a layer that lie in a place into its folder. No symbolic link is followed."""
    upper = os.open(place.upper, _FOLDER)
    lower = os.open(place.lower, _FOLDER) if place.lower else None
    try:
        for path, kind, mode, content, changed in entries:
            if place_of(path, places) != place.path:
                continue
            parts = path[len(place.path) + 1 :].split("/")
            with _parent(upper, lower, parts[:-1]) as parent:
                _put(parent, parts[-1], kind, mode, content, changed)
    finally:
        os.close(upper)
        if lower is not None:
            os.close(lower)


def _put(parent: int, name: str, kind: str, mode: int, content: bytes, changed: int) -> None:
    if kind == "gone":
        os.mknod(name, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent)  # as overlays mark it
    elif kind == "link":
        os.symlink(content, os.fsencode(name), dir_fd=parent)
    elif kind == "file":
        opened = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600, dir_fd=parent)
        with open(opened, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(opened, mode)
            os.utime(opened, ns=(changed, changed))
    else:
        with contextlib.suppress(FileExistsError):  # made as the parent of another
            os.mkdir(name, dir_fd=parent)
        folder = os.open(name, _FOLDER, dir_fd=parent)
        os.fchmod(folder, mode)
        if kind == "replaced":
            os.setxattr(folder, OPAQUE, b"y")
        os.close(folder)


@contextlib.contextmanager
def _parent(upper: int, lower: int | None, parts: Sequence[str]) -> Iterator[int]:
    """The folder that these names lead to, created with the modes of those that it is laid over."""
    here, below = os.dup(upper), None if lower is None else os.dup(lower)
    try:
        for part in parts:
            below = _step(below, part)
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, dir_fd=here)
                if below is not None:
                    os.chmod(part, stat.S_IMODE(os.fstat(below).st_mode), dir_fd=here)
            deeper = os.open(part, _FOLDER, dir_fd=here)
            os.close(here)
            here = deeper
        yield here
    finally:
        os.close(here)
        if below is not None:
            os.close(below)


def _step(folder: int | None, name: str) -> int | None:
    """The folder of this name in a folder, which is closed; None if there is none."""
    if folder is None:
        return None
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except OSError:
        return None
    finally:
        os.close(folder)


def open_all(places: Sequence[Place], limits: tuple[int, int], whole: bool = False) -> Handed:
    """Open the folders to gather from, while they can be reached.

    `limits`: bytes and entries to gather at most. `whole`: caches, too.
    """
    opened = [os.open(path, _FOLDER) for place in places for path in (place.upper, place.lower) if path]
    return marshal.dumps((limits, whole, [(place.path, bool(place.lower)) for place in places])), opened


def hand_over(channel: socket.socket, opened: Handed) -> None:
    """Send the parent the folders to gather from: it has another root, or none of these mounts."""
    socket.send_fds(channel, [opened[0]], opened[1])
    close(opened)


def close(opened: Handed) -> None:
    """Close the folders."""
    for descriptor in opened[1]:
        os.close(descriptor)


def gather(handed: Handed | None, output: int) -> None:
    """Write what a run has changed to a pipe: entries, as `marshal` writes them, then None; a text if it is too much.

    `handed`: what `open_all` returned; nothing is written if that is None.
    """
    if not handed:
        return
    names, descriptors = handed
    given = iter(descriptors)
    (most_bytes, most_entries), whole, written = marshal.loads(names)
    places = [(path, next(given), next(given) if over else None) for path, over in written]
    left_out = _LeftOut(frozenset() if whole else SKIPPED, _MOUNTED.union(path for path, _, _ in places))
    count = size = 0
    with open(output, "wb", closefd=False) as file:
        for path, upper, lower in places:
            for entry in _changes(path, os.dup(upper), None if lower is None else os.dup(lower), left_out):
                count, size = count + 1, size + (entry.size if entry.read else 0)
                if count > most_entries or size > most_bytes:
                    marshal.dump(f"more than {most_bytes >> 20} MiB or {most_entries} files", file)
                    return
                marshal.dump(entry.plain(), file)
        marshal.dump(None, file)


class _Found(NamedTuple):
    """A changed path, whose content is read late: a file may be larger than all memory."""

    path: str
    kind: str
    mode: int = 0
    size: int = 0
    changed: int = 0
    read: Callable[[], bytes] | None = None

    def plain(self) -> Plain:
        return (self.path, self.kind, self.mode, self.read() if self.read else b"", self.changed)


class _LeftOut(NamedTuple):
    """What is not gathered."""

    names: frozenset[str]
    paths: frozenset[str]
    """What other places, or the sandbox itself, are mounted on."""


def _changes(path: str, upper: int, lower: int | None, left_out: _LeftOut) -> Iterator[_Found]:
    """What is changed below a folder, each folder before what lies in it; closes both descriptors."""
    try:
        for name in sorted(os.listdir(upper)):
            full = f"{path}/{name}"
            if name not in left_out.names and full not in left_out.paths:
                yield from _change(full, name, upper, lower, left_out)
    finally:
        os.close(upper)
        if lower is not None:
            os.close(lower)


_MOUNTED = frozenset({"/dev", "/proc", "/sys", "/codemonkeys"})


def _change(full: str, name: str, upper: int, lower: int | None, left_out: _LeftOut) -> Iterator[_Found]:
    seen = os.stat(name, dir_fd=upper, follow_symlinks=False)
    before = _stat(name, lower)
    mode = stat.S_IMODE(seen.st_mode)
    if stat.S_ISDIR(seen.st_mode):
        folder = os.open(name, _FOLDER, dir_fd=upper)
        replaced = _is_opaque(folder) and before is not None
        below = None if replaced or lower is None else _step(os.dup(lower), name)
        if below is None or mode != stat.S_IMODE(os.fstat(below).st_mode):
            yield _Found(full, "replaced" if replaced or (below is None and before) else "folder", mode)
        yield from _changes(full, folder, below, left_out)
    elif stat.S_ISCHR(seen.st_mode):
        if before is not None:
            yield _Found(full, "gone")
    elif stat.S_ISLNK(seen.st_mode):
        target = os.fsencode(os.readlink(name, dir_fd=upper))
        if before is None or not stat.S_ISLNK(before.st_mode) or os.fsencode(os.readlink(name, dir_fd=lower)) != target:
            yield _Found(full, "link", size=len(target), read=lambda: target)
    elif stat.S_ISREG(seen.st_mode):
        if before is not None and _same_file(name, upper, lower, seen, before):
            return
        yield _Found(full, "file", mode, seen.st_size, seen.st_mtime_ns, lambda: _content(name, upper))


def _stat(name: str, folder: int | None) -> os.stat_result | None:
    try:
        return None if folder is None else os.stat(name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return None


def _is_opaque(folder: int) -> bool:
    try:
        return os.getxattr(folder, OPAQUE) == b"y"
    except OSError:
        return False


def _same_file(name: str, upper: int, lower: int | None, seen: Any, before: Any) -> bool:
    """Whether a file that was written has the content and mode that it had: then nothing has changed."""
    if (seen.st_size, seen.st_mode) != (before.st_size, before.st_mode):
        return False
    assert lower is not None
    return _content(name, upper) == _content(name, lower)


def _content(name: str, folder: int) -> bytes:
    with open(os.open(name, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder), "rb") as file:
        return file.read()

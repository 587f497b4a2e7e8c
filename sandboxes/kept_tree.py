"""A working tree that is put back as it was, byte for byte: a copy of it, and what each path looked like.

Works on paths, so nothing may write the tree meanwhile: the processes of a script have ended by then. Like keeper.py,
it runs in containers of others: with Python 3.9 and later, and without the rest of this package.
"""

from __future__ import annotations

import contextlib
import hashlib
import marshal
import os
import shutil
import stat
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

Plain = tuple[str, str, int, bytes, int]
"""An entry of a layer: path, kind, mode, content, time of the last change."""
SKIPPED = frozenset({"__pycache__"})
"""Folders of caches, which are no part of a layer. They are put back like all others."""
_TICK = 0.02
"""Seconds within which the kernel may give two changes of a file the same time."""


class TooMuch(Exception):
    """More has changed than a layer may hold; the message says what the limit is."""


class TreeError(Exception):
    """The tree cannot be put back; the message says why."""


class _Node(NamedTuple):
    """What a path looked like."""

    kind: int
    """Type of the file, as in its mode."""
    signature: tuple[int, ...]
    """Changes whenever the file is written, replaced or given another mode: nobody can set the time of a change."""
    mode: int
    owner: tuple[int, int]
    changed_ns: int
    content: bytes = b""
    """Of a file its digest, of a symbolic link its target."""


@dataclass
class KeptTree:
    """A tree and its copy. Sockets and devices are left alone."""

    tree: Path
    copy: Path
    nodes: dict[str, _Node] = field(default_factory=dict)
    """By path relative to the tree; of the tree itself by the empty path."""

    @classmethod
    def keep(cls, tree: Path, copy: Path) -> KeptTree:
        """Copy a tree to a folder that does not exist yet. Raises OSError."""
        kept = cls(tree, copy)
        for path, seen in kept._walk():
            source, target = tree / path, copy / path
            content = b""
            if stat.S_ISDIR(seen.st_mode):
                target.mkdir(0o700)
            elif stat.S_ISLNK(seen.st_mode):
                content = os.fsencode(os.readlink(source))
                os.symlink(content, os.fsencode(target))
            elif stat.S_ISREG(seen.st_mode):
                content = _copy_file(source, target)
                shutil.copystat(source, target)
            kept.nodes[path] = _node(seen, content)
        for path, node in reversed(list(kept.nodes.items())):
            if stat.S_ISDIR(node.kind):
                os.chmod(copy / path, node.mode | 0o700)
        time.sleep(_TICK)
        return kept

    def dump(self) -> bytes:
        """What each path looked like, for `load`."""
        return marshal.dumps([(path, tuple(node)) for path, node in self.nodes.items()], 4)

    @classmethod
    def load(cls, tree: Path, copy: Path, dumped: bytes) -> KeptTree:
        """A tree that was kept earlier."""
        return cls(tree, copy, {path: _Node(*node) for path, node in marshal.loads(dumped)})

    def restore(self) -> bool:
        """Put everything back; whether what `dump` tells has changed.

        Raises OSError, or TreeError if the copy is not what it was.
        """
        changed = False
        below: dict[str, set[str]] = {}
        for path in self.nodes:
            if path:
                below.setdefault(os.path.dirname(path), set()).add(os.path.basename(path))
        folders = []
        for path, node in self.nodes.items():
            if stat.S_ISDIR(node.kind):
                self._restore_folder(path, node, below.get(path, set()))
                folders.append(path)
            elif (seen := _lstat(self.tree / path)) is None or _signature(seen) != node.signature:
                changed = self._put_back(path, node) or changed
        for path in reversed(folders):
            node, place = self.nodes[path], self.tree / path
            if place.stat().st_mtime_ns != node.changed_ns:
                os.utime(place, ns=(node.changed_ns, node.changed_ns))
        if changed:
            time.sleep(_TICK)
        return changed

    def _restore_folder(self, path: str, node: _Node, names: set[str]) -> None:
        place = self.tree / path
        seen = _lstat(place)
        if seen is None or not stat.S_ISDIR(seen.st_mode):
            remove(place)
            place.mkdir(0o700)
        _own(place, node)
        for name in os.listdir(place):
            found = place / name
            if name not in names and not _is_left_alone(found.lstat().st_mode):
                remove(found)

    def _put_back(self, path: str, node: _Node) -> bool:
        """Put back what is no folder; whether it was."""
        place, copied = self.tree / path, self.copy / path
        if _is_left_alone(node.kind):
            return False
        remove(place)
        if stat.S_ISLNK(node.kind):
            os.symlink(node.content, os.fsencode(place))
            with contextlib.suppress(PermissionError):
                os.lchown(place, *node.owner)
        elif stat.S_ISFIFO(node.kind):
            os.mkfifo(place)
            _own(place, node)
        else:
            if _copy_file(copied, place) != node.content:
                raise TreeError(f"{copied}, the copy of {place}, was changed: it cannot be put back")
            _own(place, node)
        os.utime(place, ns=(node.changed_ns, node.changed_ns), follow_symlinks=False)
        self.nodes[path] = node._replace(signature=_signature(place.lstat()))
        return True

    def lay(self, entries: Sequence[Plain]) -> None:
        """Change the tree as the entries of a layer say, all of which lie in it. No symbolic link is followed."""
        for path, kind, mode, content, changed_ns in entries:
            place = Path(path)
            self._make_parents(place.parent)
            if kind != "folder" or not _is_folder(place):
                remove(place)
            if kind == "link":
                os.symlink(content, os.fsencode(place))
            elif kind == "file":
                with open(os.open(place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                    file.write(content)
                    os.fchmod(file.fileno(), mode)
                os.utime(place, ns=(changed_ns, changed_ns))
            elif kind != "gone":
                place.mkdir(exist_ok=True)
                place.chmod(mode)

    def _make_parents(self, folder: Path) -> None:
        for place in reversed([folder, *folder.parents]):
            if place.is_relative_to(self.tree) and not _is_folder(place):
                remove(place)
                place.mkdir()

    def changes(self, most_bytes: int, most_entries: int) -> list[Plain]:
        """How the tree differs from its copy, as entries of a layer. Raises TooMuch, OSError."""
        entries: list[Plain] = []
        size, seen_paths = 0, set[str]()
        for path, seen in self._walk(SKIPPED):
            seen_paths.add(path)
            entry = self._change(path, seen, most_bytes - size) if path else None
            if entry is not None:
                entries.append(entry)
                size += len(entry[3])
            if size > most_bytes or len(entries) > most_entries:
                raise TooMuch(f"more than {most_bytes >> 20} MiB or {most_entries} files")
        present = {*seen_paths, ""}
        for path, node in self.nodes.items():
            above = os.path.dirname(path)
            if path in seen_paths or above not in present or _is_left_alone(node.kind) or stat.S_ISFIFO(node.kind):
                continue
            if os.path.basename(path) not in SKIPPED and _is_folder(self.tree / above):
                entries.append((str(self.tree / path), "gone", 0, b"", 0))
        return entries

    def _change(self, path: str, seen: os.stat_result, most_bytes: int) -> Plain | None:
        full, place, before = str(self.tree / path), self.tree / path, self.nodes.get(path)
        mode = stat.S_IMODE(seen.st_mode)
        if stat.S_ISDIR(seen.st_mode):
            if before is not None and stat.S_ISDIR(before.kind):
                return None if before.mode == mode else (full, "folder", mode, b"", 0)
            return full, "replaced" if before else "folder", mode, b"", 0
        if before is not None and _signature(seen) == before.signature:
            return None
        if stat.S_ISLNK(seen.st_mode):
            target = os.fsencode(os.readlink(place))
            same = before is not None and stat.S_ISLNK(before.kind) and before.content == target
            return None if same else (full, "link", 0, target, 0)
        if not stat.S_ISREG(seen.st_mode):
            return None
        if (
            before is not None
            and stat.S_ISREG(before.kind)
            and before.mode == mode
            and _digest(place) == before.content
        ):
            return None
        if seen.st_size > most_bytes:
            raise TooMuch("a file that is larger than what a layer holds")
        return full, "file", mode, place.read_bytes(), seen.st_mtime_ns

    def _walk(self, skipped: frozenset[str] = frozenset()) -> Iterator[tuple[str, os.stat_result]]:
        """Paths relative to the tree, itself first, each folder before what lies in it; no link is followed."""
        waiting = [""]
        while waiting:
            path = waiting.pop()
            seen = (self.tree / path).lstat()
            yield path, seen
            if stat.S_ISDIR(seen.st_mode):
                names = sorted(os.listdir(self.tree / path), reverse=True)
                waiting += [os.path.join(path, name) for name in names if name not in skipped]


def remove(place: Path) -> None:
    """Remove whatever lies at a path, if anything does."""
    seen = _lstat(place)
    if seen is None:
        return
    if not stat.S_ISDIR(seen.st_mode):
        place.unlink()
        return
    # A script may have nested folders deeper than Python recurses, and closed them.
    if os.geteuid():
        subprocess.run(["chmod", "-R", "u+rwx", "--", place], check=False, stderr=subprocess.DEVNULL)
    done = subprocess.run(["rm", "-rf", "--one-file-system", "--", place], check=False, capture_output=True)
    if done.returncode:
        raise TreeError(f"{place} cannot be removed: {done.stderr.decode(errors='replace').strip()[-300:]}")


def _node(seen: os.stat_result, content: bytes) -> _Node:
    kind, mode = stat.S_IFMT(seen.st_mode), stat.S_IMODE(seen.st_mode)
    return _Node(kind, _signature(seen), mode, (seen.st_uid, seen.st_gid), seen.st_mtime_ns, content)


def _signature(s: os.stat_result) -> tuple[int, ...]:
    return (s.st_mode, s.st_uid, s.st_gid, s.st_size, s.st_ino, s.st_mtime_ns, s.st_ctime_ns)


def _own(place: Path, node: _Node) -> None:
    """Give a file its owner and mode."""
    seen = place.lstat()
    if (seen.st_uid, seen.st_gid) != node.owner:
        with contextlib.suppress(PermissionError):
            os.chown(place, *node.owner)
    if stat.S_IMODE(place.lstat().st_mode) != node.mode:
        place.chmod(node.mode)


def _lstat(place: Path) -> os.stat_result | None:
    try:
        return place.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _is_folder(place: Path) -> bool:
    seen = _lstat(place)
    return seen is not None and stat.S_ISDIR(seen.st_mode)


def _is_left_alone(mode: int) -> bool:
    return stat.S_ISSOCK(mode) or stat.S_ISBLK(mode) or stat.S_ISCHR(mode)


def _digest(place: Path) -> bytes:
    digest = hashlib.sha256()
    with open(place, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.digest()


def _copy_file(source: Path, target: Path) -> bytes:
    """Copy the content of a file to a new one; its digest."""
    digest = hashlib.sha256()
    new = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with open(new, "wb") as written, open(os.open(source, os.O_RDONLY | os.O_NOFOLLOW), "rb") as read:
        while block := read.read(1 << 20):
            digest.update(block)
            written.write(block)
    return digest.digest()

"""A read-only view of a repository at one commit, read from git's objects; nothing is ever checked out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import wraps
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Self, TypeVar
from weakref import WeakKeyDictionary

from codemonkeys.errors import BadInput, EnvironmentFailed
from codemonkeys.system.git import Git, ObjectReader, find_repository

T = TypeVar("T")

SYMLINK = "120000"
SUBMODULE = "160000"
AT_ONCE = 64
"""Files that git is asked for before the first is read."""
_BINARY_PROBE = 8000
"""Bytes at the start of a file in which git looks for NUL."""


@dataclass(frozen=True, order=True)
class Entry:
    """One path of a snapshot."""

    path: str
    """Relative to the root, with `/`; bytes that are not UTF-8 as surrogate escapes."""
    blob: str
    """Hash of the content; for a submodule, of its commit."""
    size: int
    """Bytes; 0 for a submodule."""
    mode: str
    """As git writes it: 100644, 100755, 120000 (symlink) or 160000 (submodule)."""

    @property
    def is_file(self) -> bool:
        """An ordinary file: neither symlink nor submodule."""
        return self.mode not in (SYMLINK, SUBMODULE)


def is_binary(content: bytes) -> bool:
    """Whether git treats the content as binary."""
    return b"\0" in content[:_BINARY_PROBE]


def decode(content: bytes) -> tuple[str, str]:
    """The text of a file and its encoding, such that `text.encode(encoding) == content`.

    UTF-8 or else Latin-1, in which every byte is a character.
    """
    try:
        return content.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        return content.decode("latin-1"), "latin-1"


def _as_text(content: bytes) -> str | None:
    return None if is_binary(content) else decode(content)[0]


class Snapshot:
    """The files of a repository at a commit. Safe to read from several threads; `close()` ends the git process."""

    def __init__(self, git: Git, git_dir: Path, commit: str, tree: str, entries: tuple[Entry, ...]) -> None:
        self._git = git
        self._objects = ObjectReader(git)
        self._lock = Lock()
        self._closed = False
        self._within: dict[str, Snapshot] = {}
        self._by_path = {entry.path: entry for entry in entries}
        self.git_dir = git_dir
        """The git directory that holds the objects; for a linked worktree, that of the main one."""
        self.commit = commit
        self.tree = tree
        """Hash of the root tree: equal trees have equal files."""
        self.entries = entries
        """Sorted by path."""

    @classmethod
    def of_repository(cls, folder: Path, commit: str = "HEAD") -> Snapshot:
        """Snapshot of a git repository (working tree, linked working tree or bare) at a commit.

        Raises BadInput if there is no such repository or commit, EnvironmentFailed if git is missing or fails.
        """
        git = find_repository(folder)
        if git is None:
            raise BadInput(f"{folder} is not a git repository; give the folder that holds .git")
        resolved = _resolve(git, commit, folder)
        try:
            about = git.text("rev-parse", f"{resolved}^{{tree}}", "--path-format=absolute", "--git-common-dir")
            tree, git_dir = about.split("\n", 1)
            if len(tree) != 40:
                raise BadInput(f"{folder} names its objects by SHA-256, which is not supported; use a SHA-1 clone")
            listing = git.run("ls-tree", "-r", "-z", "-l", "--full-tree", tree)
        except EnvironmentFailed:
            if git.try_run("config", "--get-regexp", r"^remote\..*\.promisor$").returncode:
                raise
            raise BadInput(
                f"{folder} is a partial clone and lacks content of commit {resolved[:12]}, which is never fetched from "
                f"here; get all of it: git -C {folder} fetch --refetch --no-filter"
            ) from None
        entries = tuple(sorted(_entry(line) for line in listing.split(b"\0") if line))
        return cls(git, Path(git_dir).resolve(), resolved, tree, entries)

    def __contains__(self, path: object) -> bool:
        return path in self._by_path

    def within(self, folder: str) -> Snapshot:
        """A folder as a snapshot of its own, with paths relative to it; it is closed with this one.

        Raises BadInput if there is no such folder.
        """
        if not folder:
            return self
        with self._lock:
            if folder not in self._within:
                start = f"{folder}/"
                inside = [entry for entry in self.entries if entry.path.startswith(start)]
                if not inside:
                    raise BadInput(f"there is no folder {folder!r} in commit {self.commit}")
                tree = self._git.text("rev-parse", f"{self.tree}:{folder}")
                entries = tuple(replace(entry, path=entry.path.removeprefix(start)) for entry in inside)
                self._within[folder] = Snapshot(self._git, self.git_dir, self.commit, tree, entries)
            return self._within[folder]

    def entry(self, path: str) -> Entry:
        """The entry at a path. Raises BadInput if there is none."""
        try:
            return self._by_path[path]
        except KeyError:
            raise BadInput(f"{path!r} does not exist in commit {self.commit}") from None

    def read(self, path: str) -> bytes:
        """The content of a file; of a symlink, its target.

        Raises BadInput for a missing path or a submodule, EnvironmentFailed if git has lost the content.
        """
        entry = self.entry(path)
        if entry.mode == SUBMODULE:
            raise BadInput(f"{path!r} is a submodule: its files are not part of commit {self.commit}")
        with self._lock:
            if self._closed:
                # A thread may be late, when its task has been aborted: git must not be started again for it.
                raise EnvironmentFailed(f"{self.git_dir} was closed before {path!r} was read")
            try:
                return self._objects.read(entry.blob)
            except EnvironmentFailed as error:
                raise EnvironmentFailed(f"{self.git_dir} has lost the content of {path!r}: {error}") from error

    def text(self, path: str) -> str | None:
        """The content of a file as text (see `decode`); None for a binary file, a symlink or a submodule."""
        if not self.entry(path).is_file:
            return None
        return _as_text(self.read(path))

    def texts(self, paths: Iterable[str]) -> Iterator[tuple[str, str | None]]:
        """Paths, each with its text, in the order given: many times the rate of `text`, which waits for git each time.

        Raises BadInput for a missing path, EnvironmentFailed if git has lost a content.
        """
        entries = (self.entry(path) for path in paths)
        while several := list(islice(entries, AT_ONCE)):
            files = [entry for entry in several if entry.is_file]
            try:
                with self._lock:
                    contents = [] if self._closed else self._objects.read_all([entry.blob for entry in files])
            except EnvironmentFailed:
                contents = []
            # One after the other, the one that fails is named.
            contents = contents or [self.read(entry.path) for entry in files]
            read = dict(zip((entry.path for entry in files), contents, strict=True))
            for entry in several:
                yield entry.path, _as_text(read[entry.path]) if entry.is_file else None

    def close(self) -> None:
        """End the git process; the entries stay usable."""
        with self._lock:
            self._closed = True
            self._objects.close()
            for folder in self._within.values():
                folder.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def once_for_each(function: Callable[[Snapshot], T]) -> Callable[[Snapshot], T]:
    """Keep what a function tells of a snapshot for as long as the snapshot is: every patch of a task asks anew.

    It must not hold the snapshot, unless through `weakref.proxy`.
    """
    kept: WeakKeyDictionary[Snapshot, T] = WeakKeyDictionary()

    @wraps(function)
    def told(snapshot: Snapshot) -> T:
        if snapshot not in kept:
            kept[snapshot] = function(snapshot)
        return kept[snapshot]

    return told


def _resolve(git: Git, commit: str, folder: Path) -> str:
    try:
        if commit.startswith("-"):
            raise ValueError
        return git.text("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
    except (EnvironmentFailed, ValueError) as error:  # ValueError also for characters that no argument can have
        shallow = git.try_run("rev-parse", "--is-shallow-repository").stdout.strip() == b"true"
        fetch = (
            f"get its history, as it is a shallow clone: git -C {folder} fetch --unshallow" if shallow else "fetch it"
        )
        raise BadInput(f"{folder} has no commit {commit!r}; check the name, or {fetch}") from error


def _entry(line: bytes) -> Entry:
    """One record of `git ls-tree -l -z`: mode, type, hash, size, a tab, the path."""
    head, path = line.split(b"\t", 1)
    mode, _, blob, size = head.decode().split()
    name = path.decode("utf-8", "surrogateescape")
    if size == "BAD":
        raise EnvironmentFailed(f"the repository lacks the content of {name!r} (object {blob}); fetch or repair it")
    return Entry(name, blob, 0 if size == "-" else int(size), mode)

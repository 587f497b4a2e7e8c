"""Applies edits to a snapshot in memory: what a model may change, and what it is told about an edit it may not make."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from codemonkeys.generation.answers import Create, Delete, Edit, Rename, Replace
from codemonkeys.generation.lines import EditRefused, encode, replace_lines, shorten
from codemonkeys.tasks.snapshot import SUBMODULE, Snapshot, is_binary

__all__ = ["Changes", "EditRefused", "File", "apply_edits", "similar_paths"]

_SHOWN_REFUSALS = 8


@dataclass(frozen=True)
class File:
    """Content and mode of a file after the edits."""

    content: bytes
    mode: str = "100644"


@dataclass(frozen=True)
class Changes:
    """Differences from a snapshot. A rename is a deletion and a creation with the same mode."""

    files: Mapping[str, File | None]
    """Path to the new file, None if deleted; sorted by path. Only files that differ."""


NOTHING = Changes({})


def apply_edits(snapshot: Snapshot, edits: Iterable[Edit], start: Changes = NOTHING) -> Changes:
    """Apply edits in order, each to the result of the ones before it; the first one to the snapshot with `start`.

    Raises EditRefused: with a message about each edit that cannot be applied, or if the edits together change nothing.
    """
    tree = _Tree(snapshot, start)
    refusals: list[str] = []
    for number, edit in enumerate(edits, 1):
        try:
            tree.apply(edit)
        except EditRefused as refusal:
            refusals.append(f"Edit {number} ({_word(edit)} {shorten(edit.path)}): {refusal}")
    if refusals:
        more = len(refusals) - _SHOWN_REFUSALS
        rest = [f"{more} more edits were refused."] if more > 0 else []
        raise EditRefused("\n\n".join([*refusals[:_SHOWN_REFUSALS], *rest]))
    changes = Changes(tree.difference())
    if changes == start:
        raise EditRefused("The edits together leave every file as it was. Write edits that change something.")
    return changes


def _word(edit: Edit) -> str:
    """The keyword of the edit's marker line."""
    return "SEARCH" if isinstance(edit, Replace) else type(edit).__name__.upper()


class _Tree:
    """A snapshot with edits applied on top."""

    def __init__(self, snapshot: Snapshot, start: Changes) -> None:
        self.snapshot = snapshot
        self.modes = {entry.path: entry.mode for entry in snapshot.entries}
        self.written: dict[str, File | None] = {}
        for path, file in start.files.items():
            self.written[path] = file
            if file is None:
                self.modes.pop(path, None)
            else:
                self.modes[path] = file.mode

    def apply(self, edit: Edit) -> None:
        match edit:
            case Replace(path, search, replacement):
                file = self.editable(path)
                self.write(path, File(replace_lines(file.content, search, replacement), file.mode))
            case Create(path, content):
                self.require_free(path, "To change it, use SEARCH, or DELETE it first.")
                mode = self.snapshot.entry(path).mode if path in self.snapshot else "100644"
                self.write(path, File(encode(content), mode))
            case Delete(path):
                self.require_file(path)
                self.remove(path)
            case Rename(path, to):
                self.require_file(path)
                self.require_free(to, "Choose another name, or DELETE it first.")
                file = self.file(path)
                self.remove(path)
                self.write(to, file)

    def difference(self) -> dict[str, File | None]:
        """Files written that differ from the snapshot, sorted by path; None for a deleted one."""
        return {path: file for path, file in sorted(self.written.items()) if file != self.original(path)}

    def original(self, path: str) -> File | None:
        if path not in self.snapshot:
            return None
        return File(self.snapshot.read(path), self.snapshot.entry(path).mode)

    def file(self, path: str) -> File:
        file = self.written[path] if path in self.written else self.original(path)
        assert file is not None
        return file

    def write(self, path: str, file: File) -> None:
        self.written[path] = file
        self.modes[path] = file.mode

    def remove(self, path: str) -> None:
        self.written[path] = None
        del self.modes[path]

    def editable(self, path: str) -> File:
        self.require_file(path)
        file = self.file(path)
        if is_binary(file.content):
            raise EditRefused("this is a binary file; it can be deleted or renamed, but not edited.")
        return file

    def require_file(self, path: str) -> None:
        """Refuse a path that is not an ordinary file."""
        _check_path(path, known=path in self.modes)
        if path in self.modes:
            self.require_ordinary(path)
            return
        self.require_folder(path)
        if self.is_folder(path):
            raise EditRefused("this is a folder; name a file.")
        near = similar_paths(path, self.modes)
        hint = f" Did you mean: {', '.join(near)}?" if near else " To add a file, use CREATE."
        raise EditRefused(f"there is no such file.{hint}")

    def require_free(self, path: str, advice: str) -> None:
        """Refuse a path that is taken, or where no file can be created."""
        _check_path(path, known=path in self.modes)
        if path in self.modes:
            raise EditRefused(f"{shorten(path)} already exists. {advice}")
        if self.is_folder(path):
            raise EditRefused(f"{shorten(path)} is a folder. Choose another name.")
        self.require_folder(path)

    def require_folder(self, path: str) -> None:
        """Refuse a path with a parent that is not a folder."""
        parts = path.split("/")
        for length in range(1, len(parts)):
            parent = "/".join(parts[:length])
            if parent in self.modes:
                self.require_ordinary(parent)
                raise EditRefused(f"{shorten(parent)} is a file, so nothing can lie beneath it.")

    def require_ordinary(self, path: str) -> None:
        mode = self.modes[path]
        if mode in ("100644", "100755"):
            return
        kind = "submodule" if mode == SUBMODULE else "symbolic link"
        raise EditRefused(f"{shorten(path)} is a {kind}; only ordinary files of this repository can be changed.")

    def is_folder(self, path: str) -> bool:
        return any(other.startswith(f"{path}/") for other in self.modes)


def similar_paths(path: str, paths: Iterable[str]) -> list[str]:
    """Up to three of the paths that one may have meant, shortened."""
    known = sorted(paths)
    name = path.rsplit("/", 1)[-1]
    same_name = [other for other in known if other.rsplit("/", 1)[-1] == name]
    close = difflib.get_close_matches(path, known, n=3, cutoff=0.7)
    return [shorten(other) for other in dict.fromkeys(close + same_name)][:3]


def _check_path(path: str, known: bool) -> None:
    """Refuse paths that no edit may name, whatever the snapshot contains. `known`: the path exists in it."""
    parts = re.split(r"[/\\]", path)
    folded = ["".join(c for c in part if unicodedata.category(c) != "Cf").casefold() for part in parts]
    # File systems that ignore case, trailing dots or invisible characters resolve these to .git as well.
    git = any(part.split(":")[0].rstrip(" .") in (".git", "git~1") for part in folded)
    problem = ""
    if not path:
        problem = "the path is empty"
    elif any(unicodedata.category(c) == "Cc" for c in path):
        problem = "the path holds a control character"
    elif path[0] in "/\\" or re.match(r"[A-Za-z]:", path):
        problem = "the path is absolute"
    elif ".." in parts:
        problem = "the path holds `..`"
    elif git:
        problem = "the path leads into git's own folder"
    elif path.endswith("/"):
        problem = "the path ends with a slash; name a file"
    elif "" in path.split("/") or "." in parts:
        problem = "the path holds an empty part or `.`"
    elif not known and "\\" in path:
        problem = "the path holds a backslash; write folders with `/`"
    elif not known and (any("\ud800" <= c <= "\udfff" for c in path)):
        problem = "the path holds characters that cannot be written as UTF-8"
    elif len(path.encode("utf-8", "surrogatepass")) > 1000 or any(
        len(part.encode("utf-8", "replace")) > 200 for part in parts
    ):
        problem = "the path is too long"
    if problem:
        raise EditRefused(
            f"{problem}. Write the path relative to the root of the repository, like src/package/file.py."
        )

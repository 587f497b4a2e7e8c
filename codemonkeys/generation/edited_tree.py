"""Reads a snapshot with edits applied: lines of a file, and the lines that contain given words. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from codemonkeys.context.languages import is_source, is_test
from codemonkeys.generation.edits import Changes, similar_paths
from codemonkeys.generation.lines import shorten
from codemonkeys.generation.look_ups import Find, Show
from codemonkeys.tasks.snapshot import Snapshot, decode, is_binary

MOST_LINES = 40
"""Lines that a search shows."""
MOST_OF_A_FILE = 8
SEARCHED_BYTES = 1 << 20
"""A larger file is data, and not searched."""


class Found(NamedTuple):
    """What a look-up has found."""

    told: str
    """About it, in our words; only paths in it are not ours."""
    output: str = ""


@dataclass(frozen=True)
class EditedTree:
    """A snapshot with edits applied."""

    snapshot: Snapshot
    changes: Changes = Changes({})
    edited_as_shown: bool = False
    """Whether edits are made to what is shown, and not to the snapshot."""

    def paths(self) -> list[str]:
        """Paths of all files, in order."""
        changed = self.changes.files
        kept = {entry.path for entry in self.snapshot.entries if entry.is_file and entry.path not in changed}
        return sorted(kept | {path for path, file in changed.items() if file})

    def text(self, path: str) -> str | None:
        """The text of one of the files; None if it is binary."""
        file = self.changes.files.get(path)
        if file is None:
            return self.snapshot.text(path)
        return None if is_binary(file.content) else decode(file.content)[0]

    def size(self, path: str) -> int:
        """Size of one of the files, in bytes."""
        file = self.changes.files.get(path)
        return self.snapshot.entry(path).size if file is None else len(file.content)

    def missing(self, path: str) -> str:
        """What to say of a path at which there is no file; empty if there is one."""
        paths = self.paths()
        if path in set(paths):
            return ""
        near = similar_paths(path, paths)
        hint = f" Did you mean: {', '.join(near)}?" if near else " Search for a word of it."
        return f"there is no such file.{hint}"


def show(tree: EditedTree, asked: Show, limit: int) -> Found:
    """The lines of a file that are asked for, as many as come to `limit` characters."""
    if problem := tree.missing(asked.path):
        return Found(problem)
    text = tree.text(asked.path)
    if text is None:
        return Found("this is a binary file.")
    lines = text.removesuffix("\n").split("\n")
    if asked.first > len(lines):
        return Found(f"the file has only {len(lines)} lines.")
    last = min(asked.last or len(lines), len(lines))
    shown = list(_fitting(lines[asked.first - 1 : last], limit))
    end = asked.first + len(shown) - 1
    told = f"lines {asked.first} to {end} of {len(lines)}"
    if end < last:
        told += f", which is as much as is shown at a time; go on from line {end + 1}"
    if asked.path in tree.changes.files and not tree.edited_as_shown:
        told += ", with your edit in them (a SEARCH block needs the original lines)"
    return Found(f"{told}.", "\n".join(shown))


def find(tree: EditedTree, asked: Find, limit: int) -> Found:
    """The lines that contain all words, in any order and case; source code first, then tests, then the rest.

    Each is told as `path:number:line`, with its indentation, as a SEARCH block needs it.
    """
    hits: list[tuple[str, int, str]] = []
    count = files = 0
    for path in sorted(tree.paths(), key=lambda path: (not is_source(path), is_test(path), path)):
        of_file = list(_hits(tree, path, asked.words))
        count, files = count + len(of_file), files + bool(of_file)
        hits += [(path, number, line) for number, line in of_file[:MOST_OF_A_FILE]]
    if not hits:
        return Found("no line contains all of these words. Search for fewer of them, or for another spelling.")
    lines = [f"{shorten(path)}:{number}:{shorten(line.rstrip())}" for path, number, line in hits[:MOST_LINES]]
    shown = list(_fitting(lines, limit))
    told = f"{count} line{'s' * (count > 1)} in {files} file{'s' * (files > 1)}"
    if len(shown) < count:
        told += f"; shown are {len(shown)}, and at most {MOST_OF_A_FILE} of each file"
    return Found(f"{told}.", "\n".join(shown))


def _hits(tree: EditedTree, path: str, words: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Number and text of each line of a file that contains all words."""
    text = tree.text(path) if tree.size(path) <= SEARCHED_BYTES else None
    lowered = (text or "").lower()
    if text is None or not all(word in lowered for word in words):
        return
    for number, line in enumerate(text.split("\n"), 1):
        small = line.lower()
        if all(word in small for word in words):
            yield number, line


def _fitting(lines: list[str], limit: int) -> Iterator[str]:
    """The first lines that come to no more characters than the limit; of a first one that is longer, its beginning."""
    left = limit
    for number, line in enumerate(lines):
        left -= len(line) + 1
        if left < 0 and number:
            return
        yield line[:limit]

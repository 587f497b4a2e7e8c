"""Parses unified diffs without the repository they are for; a patch need not apply to anything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from codemonkeys.generation.paths import patch_paths

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_REDUNDANT_HEADER = re.compile(r"(index|diff|---|\+\+\+|similarity|dissimilarity) |(new|deleted) file mode 100644$")


@dataclass(frozen=True)
class Hunk:
    """(sign, text) of lines; the sign is a space for context, `-`, `+`, or a backslash for git's remarks."""

    start: int
    """Number of the first line in the unedited file, from 1; of the line before, for a hunk that only adds lines."""
    lines: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class FileDiff:
    """Changes to one file."""

    path: str
    created: bool
    deleted: bool
    header: tuple[str, ...] = ()
    """Lines outside hunks that carry meaning, verbatim: renames, unusual modes, binary contents."""
    hunks: tuple[Hunk, ...] = ()


def read_diff(patch: str) -> list[FileDiff]:
    """Files of a unified diff, git's or plain, in order; other text is skipped."""
    return [diff for header, hunks in _sections(patch.split("\n")) if (diff := _file(header, hunks))]


def _sections(lines: list[str]) -> Iterator[tuple[list[str], list[Hunk]]]:
    """For each file, its lines outside hunks and its hunks."""
    header: list[str] = []
    hunks: list[Hunk] = []
    position = 0
    while position < len(lines):
        line = lines[position].removesuffix("\r")
        position += 1
        begins = line.startswith("diff --git ") or (
            line.startswith("--- ") and position < len(lines) and lines[position].startswith("+++ ")
        )
        if begins and (hunks or line.startswith("diff ")):
            yield header, hunks
            header, hunks = [], []
        found = _HUNK.match(line)
        if found:
            old, new = int(found[2] or 1), int(found[4] or 1)
            end = _end(lines, position, old, new)
            hunks.append(Hunk(int(found[1]), tuple((text[:1] or " ", text[1:]) for text in lines[position:end])))
            position = end
        else:
            header.append(line)
    yield header, hunks


def _end(lines: list[str], position: int, old: int, new: int) -> int:
    while position < len(lines) and (old > 0 or new > 0 or lines[position].startswith("\\")):
        sign = lines[position][:1] or " "
        if sign not in " +-\\":
            break
        old -= sign in " -"
        new -= sign in " +"
        position += 1
    return position


def _file(header: list[str], hunks: list[Hunk]) -> FileDiff | None:
    paths = patch_paths("\n".join(header))
    if not paths:
        return None
    created = any(line.startswith(("--- /dev/null", "new file mode")) for line in header)
    deleted = any(line.startswith(("+++ /dev/null", "deleted file mode")) for line in header)
    rest = tuple(line for line in header if line and not _REDUNDANT_HEADER.match(line))
    return FileDiff(paths[-1], created, deleted, rest, tuple(hunks))

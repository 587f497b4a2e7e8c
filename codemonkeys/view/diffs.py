"""Patches side by side, as values for a table: what stood on the left, what stands on the right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Literal

from codemonkeys.selection.diffs import FileDiff, Hunk, read_diff

Kind = Literal["same", "changed", "gap"]
LONGEST = 4_000
"""Lines of a patch that are shown; beyond, one is told so."""


@dataclass(frozen=True)
class Row:
    """One line of the table. Numbers are of lines, from 1; None: nothing stands there."""

    kind: Kind
    left_number: int | None
    left: str | None
    right_number: int | None
    right: str | None


@dataclass(frozen=True)
class SideBySide:
    """A file of a patch."""

    title: str
    notes: tuple[str, ...]
    """Lines outside hunks that carry meaning, such as renames."""
    rows: tuple[Row, ...]
    cut: bool = False
    """Whether only the beginning is shown."""


def of_patch(patch: str) -> list[SideBySide]:
    """A patch, file by file: before and after."""
    return [of_file(file) for file in read_diff(patch)]


def of_file(file: FileDiff) -> SideBySide:
    """One file of a patch."""
    what = " (new)" if file.created else " (deleted)" if file.deleted else ""
    rows: list[Row] = []
    moved = 0
    for hunk in file.hunks:
        if rows:
            rows.append(Row("gap", None, None, None, None))
        # A hunk that only adds lines is numbered by the line before it.
        begin = hunk.start + all(sign not in " -" for sign, _ in hunk.lines)
        rows += rows_of(hunk, begin, begin + moved)
        moved += sum((sign == "+") - (sign == "-") for sign, _ in hunk.lines)
    return SideBySide(f"{file.path}{what}", file.header, tuple(rows[:LONGEST]), len(rows) > LONGEST)


def rows_of(hunk: Hunk, left: int, right: int) -> Iterator[Row]:
    """The lines of a hunk; removed lines stand beside the added ones that follow them.

    `left`, `right`: numbers of the first line before and after.
    """
    removed: list[str] = []
    added: list[str] = []

    def pairs() -> Iterator[Row]:
        nonlocal left, right
        for old, new in zip_longest(removed, added):
            yield Row("changed", None if old is None else left, old, None if new is None else right, new)
            left, right = left + (old is not None), right + (new is not None)
        removed.clear()
        added.clear()

    for sign, text in hunk.lines:
        if sign == "-":
            if added:
                yield from pairs()
            removed.append(text)
        elif sign == "+":
            added.append(text)
        elif sign == " ":
            yield from pairs()
            yield Row("same", left, text, right, text)
            left, right = left + 1, right + 1
    yield from pairs()


def of_texts(left: str, right: str) -> list[Row]:
    """Two texts line by line, equal lines beside each other."""
    one, other = left.splitlines()[:LONGEST], right.splitlines()[:LONGEST]
    return list(_aligned(one, other))


def _aligned(one: Sequence[str], other: Sequence[str]) -> Iterator[Row]:
    for tag, i1, i2, j1, j2 in SequenceMatcher(a=one, b=other, autojunk=False).get_opcodes():
        kind: Kind = "same" if tag == "equal" else "changed"
        for i, j in zip_longest(range(i1, i2), range(j1, j2)):
            yield Row(
                kind,
                *(None if i is None else i + 1, None if i is None else one[i]),
                *(None if j is None else j + 1, None if j is None else other[j]),
            )

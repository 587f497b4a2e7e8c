"""Similarity of patches: which lines they change and the words of these changes, read from their text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from codemonkeys.context.languages import is_test
from codemonkeys.selection.diffs import FileDiff, read_diff

NEAR = 3
"""Lines around a changed line that count as the same place; a diff shows as many."""

_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Footprint:
    """The part of a patch that is compared: its changes to shipped code.

    Tests and new files (mostly leftovers of reproducing an issue) count only if there is nothing else.
    """

    places: frozenset[tuple[str, int]]
    """(path, line number) of lines of the unedited code that are changed, or near a change."""
    words: Counter[tuple[str, str, str]]
    """(path, sign, word) of changed lines, without comments."""


@lru_cache(maxsize=1_024)
def footprint(patch: str) -> Footprint:
    """The footprint of a unified diff."""
    files = read_diff(patch)
    shipped = [file for file in files if not is_test(file.path)]
    files = [file for file in shipped if not file.created] or shipped or files
    places: set[tuple[str, int]] = set()
    words: Counter[tuple[str, str, str]] = Counter()
    for file in files:
        for number, sign, text in _changed(file):
            places.update((file.path, n) for n in range(number - NEAR, number + NEAR + 1))
            if not text.lstrip().startswith("#"):
                words.update((file.path, sign, word) for word in _WORD.findall(text))
    return Footprint(frozenset(places), words)


def _changed(file: FileDiff) -> list[tuple[int, str, str]]:
    """(line number, sign, text) of changed lines; an added line has the number of the next unedited line."""
    found = []
    for hunk in file.hunks:
        number = hunk.start
        for sign, text in hunk.lines:
            if sign in "+-":
                found.append((number, sign, text))
            number += sign in " -"
    return found


def similarity(one: Footprint, other: Footprint) -> float:
    """From 0 to 1: the mean of the Jaccard similarities of places and of words."""
    common = len(one.places & other.places)
    union = len(one.places) + len(other.places) - common
    return ((common / union if union else 0.0) + jaccard(one.words, other.words)) / 2


def jaccard(one: Counter[Any], other: Counter[Any]) -> float:
    """Jaccard similarity of two multisets; 0 if both are empty."""
    fewer, more = sorted((one, other), key=len)
    common = sum(min(count, more[word]) for word, count in fewer.items() if word in more)
    union = one.total() + other.total() - common
    return common / union if union else 0.0


def changed_words(patch: str) -> Counter[str]:
    """All words of changed lines, in any file."""
    lines = (line for line in patch.split("\n") if line[:1] in ("+", "-") and line[:3] not in ("+++", "---"))
    return Counter(word for line in lines for word in _WORD.findall(line))


@lru_cache(maxsize=2_048)
def similarities(patches: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    """Matrix of pairwise similarities, with 1 on the diagonal."""
    prints = [footprint(patch) for patch in patches]
    rows = [[1.0] * len(prints) for _ in prints]
    for i, one in enumerate(prints):
        for j in range(i):
            rows[i][j] = rows[j][i] = similarity(one, prints[j])
    return tuple(map(tuple, rows))

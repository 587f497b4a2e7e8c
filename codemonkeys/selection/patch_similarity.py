"""Where a patch changes a codebase and what it writes there, read from its text, and how alike two patches are."""

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
"""Lines around a changed one that still count as the same place: as many as a diff shows."""

_WORD = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Footprint:
    """What of a patch is compared with others: changes of shipped code, if there are any.

    Tests and new files (most are left over from reproducing an issue) count only in patches that have nothing else.
    """

    places: frozenset[tuple[str, int]]
    """Lines of the unedited code that are changed, or near to such: path and number."""
    words: Counter[tuple[str, str, str]]
    """Path, sign and word of the changed lines, comments left out."""


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
    """Changed lines: the number in the unedited file (of the next line, for an added one), sign and text."""
    found = []
    for hunk in file.hunks:
        number = hunk.start
        for sign, text in hunk.lines:
            if sign in "+-":
                found.append((number, sign, text))
            number += sign in " -"
    return found


def similarity(one: Footprint, other: Footprint) -> float:
    """From 0 to 1: the mean of how far two patches change the same places, and with the same words (Jaccard)."""
    common = len(one.places & other.places)
    union = len(one.places) + len(other.places) - common
    return ((common / union if union else 0.0) + jaccard(one.words, other.words)) / 2


def jaccard(one: Counter[Any], other: Counter[Any]) -> float:
    """The share of two multisets that is in both (Jaccard); 0 if both are empty."""
    fewer, more = sorted((one, other), key=len)
    common = sum(min(count, more[word]) for word, count in fewer.items() if word in more)
    union = one.total() + other.total() - common
    return common / union if union else 0.0


def changed_words(patch: str) -> Counter[str]:
    """All words of the lines that a patch changes, wherever."""
    lines = (line for line in patch.split("\n") if line[:1] in ("+", "-") and line[:3] not in ("+++", "---"))
    return Counter(word for line in lines for word in _WORD.findall(line))


@lru_cache(maxsize=2_048)
def similarities(patches: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    """How alike each two patches are, as a square; each is wholly like itself."""
    prints = [footprint(patch) for patch in patches]
    rows = [[1.0] * len(prints) for _ in prints]
    for i, one in enumerate(prints):
        for j in range(i):
            rows[i][j] = rows[j][i] = similarity(one, prints[j])
    return tuple(map(tuple, rows))

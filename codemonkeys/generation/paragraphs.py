"""Reads answers that consist of paragraphs, each begun by its name and a colon."""

from __future__ import annotations

import re
from collections.abc import Sequence

from codemonkeys.engine.conversation import UnusableAnswer

CHARACTERS = 600
"""Maximum length of a paragraph; the rest of a longer one is cut off."""


def parse_paragraphs(answer: str, names: Sequence[str]) -> dict[str, str]:
    """The paragraphs in the order of their names, which are lower case. Raises UnusableAnswer if one is missing."""
    found: dict[str, str] = {}
    begin_of_one = re.compile(rf"^[ \t#*_>-]*({'|'.join(names)})[*_ ]*:(?:[*_]+(?!\S))?", re.I | re.M)
    begins = [*begin_of_one.finditer(answer)]
    for begin, end in zip(begins, [*(match.start() for match in begins[1:]), len(answer)], strict=False):
        found[begin[1].lower()] = answer[begin.end() : end].strip()[:CHARACTERS]
    missing = [name.upper() for name in names if not found.get(name)]
    if missing:
        raise UnusableAnswer(f"it lacks {', '.join(missing)}.")
    return {name: found[name] for name in names}

"""The pages of the documentation, and what stands in them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
INDENTED = re.compile(r"(?:^    .*\n)+", re.M)
INLINE = re.compile(r"`([^`\n]+)`")


def blocks(page: str, language: str) -> list[str]:
    """The fenced blocks of one language."""
    return [text for found, text in FENCED.findall(page) if found == language]


def code(page: str) -> list[str]:
    """All that a page sets as code: blocks, and spans in its text."""
    fenced = [text for _, text in FENCED.findall(page)]
    prose = FENCED.sub("", page)
    return [*fenced, *INDENTED.findall(prose), *INLINE.findall(prose)]


def section(page: str, heading: str) -> str:
    """What stands below a heading, up to the next one of its level or above."""
    level = heading.index(" ")
    _, _, below = page.partition(f"\n{heading}\n")
    assert below, heading
    return re.split(rf"^#{{1,{level}}} ", below, maxsplit=1, flags=re.M)[0]

"""Separates an answer from thoughts that a model writes into it, between tags or before a closing tag alone.

Chat templates of reasoning models open the tag in the prompt; servers without a reasoning parser leave both in the
text. A tag within a block of ours, which may be the content of a file, stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_NAMES = r"(?:think|thinking|thoughts?|seed:think)"
_TAG = rf"(?P<opening><{_NAMES}>|\[THINK\]|◁think▷)|(?P<closing></{_NAMES}>|\[/THINK\]|◁/think▷)"
_IN_TAGS = ("think", "thought", "THINK")
"""One of them is in every tag; looked for first, since nearly no answer has one."""
_ANY_TAG = re.compile(_TAG)
_TAG_OR_MARKER = re.compile(
    rf"(?P<begins>^[ \t]*)?(?:{_TAG})(?P<ends>[ \t\r]*$)?"
    r"|(?:(?:^|(?<=[>\]▷])[ \t]*)<{7} [A-Z]+|^(?P<within>={7}|>{7} END)) [0-9a-f]{8,}",
    re.M,
)
"""A tag, or a marker line as `generation.answers` has it; `within`: of one that goes on with a block or ends it.

The first block of an answer may stand on the line of the tag: some models write no line break after their thoughts.
"""
_TEXT = re.compile(r"\S")


@dataclass(frozen=True)
class _Tag:
    """A tag outside of all blocks."""

    start: int
    end: int
    opens: bool
    begins_line: bool
    ends_line: bool
    ends_drafts: bool
    """Whether blocks stand before it, and none after it."""

    @property
    def is_apart(self) -> bool:
        """Whether it begins or ends a line, as none within a JSON text or a sentence does."""
        return self.begins_line or self.ends_line


def split_thoughts(text: str) -> tuple[str, str]:
    """(answer, thoughts) of a text; thoughts that never end leave no answer after them. Takes linear time."""
    if not any(word in text for word in _IN_TAGS) or not _ANY_TAG.search(text):
        return text, ""
    tags = _tags(text)
    answer: list[str] = []
    thoughts: list[str] = []
    at, number = 0, 0
    first = _first_text(text, 0)
    closing, apart = _next_closings(tags)
    while number < len(tags):
        tag = tags[number]
        leads = not answer and tag.start <= first <= tag.end
        number += 1
        if tag.opens and (leads or tag.begins_line):
            close = (closing if leads else apart)[number]
            if close is None and not (leads or tag.ends_line):
                continue
            end, after = (len(text), len(text)) if close is None else (tags[close].start, tags[close].end)
            answer += [text[at : tag.start]] if text[at : tag.start].strip() else []
            thoughts.append(text[tag.end : end])
            at, number = after, len(tags) if close is None else close + 1
            first = _first_text(text, at)
        elif not tag.opens and not thoughts and _ends_unopened(tag):
            thoughts.append(text[at : tag.start])
            at = tag.end
            first = _first_text(text, at)
    if not thoughts:
        return text, ""
    rest = text[at:] if answer else text[first:]
    return "".join([*answer, rest]), "\n\n".join(each.strip() for each in thoughts if each.strip())


def _ends_unopened(tag: _Tag) -> bool:
    """Whether a closing tag ends thoughts that no tag opened, rather than being written about."""
    return (tag.begins_line and tag.ends_line) or (tag.is_apart and not tag.ends_drafts)


def _first_text(text: str, start: int) -> int:
    found = _TEXT.search(text, start)
    return found.start() if found else len(text)


def _tags(text: str) -> list[_Tag]:
    """The tags outside of blocks: those after which no marker line goes on with a block or ends one."""
    found = list(_TAG_OR_MARKER.finditer(text))
    has_blocks_before = [False]
    for match in found:
        is_tag = match["opening"] or match["closing"]
        has_blocks_before.append(has_blocks_before[-1] or not is_tag)
    tags: list[_Tag] = []
    following: re.Match[str] | None = None
    for match, before in zip(reversed(found), reversed(has_blocks_before[:-1]), strict=True):
        if not (match["opening"] or match["closing"]):
            following = match
        elif following is None or following["within"] is None:
            start = match.start("opening") if match["opening"] else match.start("closing")
            end = match.end("opening") if match["opening"] else match.end("closing")
            apart = (match["begins"] is not None, match["ends"] is not None)
            tags.append(_Tag(start, end, bool(match["opening"]), *apart, before and following is None))
    return tags[::-1]


def _next_closings(tags: Sequence[_Tag]) -> tuple[list[int | None], list[int | None]]:
    """For each position the number of the next closing tag from there on, and of the next that stands apart."""
    closing: list[int | None] = [None]
    apart: list[int | None] = [None]
    for number, tag in reversed(list(enumerate(tags))):
        closing.append(closing[-1] if tag.opens else number)
        apart.append(number if not tag.opens and tag.is_apart else apart[-1])
    return closing[::-1], apart[::-1]

"""Patches that say the same, told from their text alone, for patches whose codebase is not at hand.

Headers, order of files and how much context is shown make no difference; in Python neither do blank lines, comments
and blanks between words. Indentation, strings, paths and places count. What begins before a hunk cannot be seen: where
lines do not read as code from a hunk's beginning to its end, they count as they are written.
"""

from __future__ import annotations

import hashlib
import keyword
import re
from collections.abc import Iterator, Sequence

from codemonkeys.context.languages import language_of
from codemonkeys.selection.diffs import FileDiff, Hunk, read_diff

_TOKEN = re.compile(
    r"""(?P<open>(?:\b(?:[rR]?[bB]|[bB][rR]|[rRuU]))?(?:\"{3}|'{3}))
    | (?P<string>(?:\b(?:[rR]?[bB]|[bB][rR]|[rRuU]))?(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'))
    | (?P<format>\b(?:[rR]?[fF]|[fF][rR])(?!\"{3}|'{3})
        (?:"(?:[^"\\{}]|\\.|\{\{|\}\}|\{[^{}"'\\]*\})*"|'(?:[^'\\{}]|\\.|\{\{|\}\}|\{[^{}"'\\]*\})*'))
    | (?P<comment>\#.*)
    | (?P<word>(?!\w{1,2}["'])(?:\d[\w.]*|\w+))
    | (?P<sign>[^\w\s"'\#\\]+)
    | (?P<blank>\s+)""",
    re.VERBOSE,
)
_MEANT = re.compile(r"#!|#.*coding[:=]")
_KEYWORDS = frozenset((*keyword.kwlist, *keyword.softkwlist))

Edit = tuple[tuple[tuple[int, str], ...], int, tuple[str, ...]]
"""Lines removed, with their numbers; the number of the line where the change begins; lines added."""


class _NotCode(Exception):
    """The lines do not read as code."""


def text_classes(patches: Sequence[str]) -> tuple[int, ...]:
    """For each patch the index of the first one that says the same: itself, if there is none before it."""
    first: dict[str, int] = {}
    return tuple(first.setdefault(text_form(patch), index) for index, patch in enumerate(patches))


def text_form(patch: str) -> str:
    """A hash that patches share which say the same by their text. What is no diff counts as it is written."""
    files = read_diff(patch)
    said = repr(sorted(form for file in files if (form := _form(file)))) if files else patch
    return hashlib.sha256(f"{len(files) > 0}\0{said}".encode("utf-8", "surrogatepass")).hexdigest()


def _form(file: FileDiff) -> tuple[str, bool, bool, tuple[str, ...], tuple[Edit, ...]] | tuple[()]:
    """What a diff says of one file; nothing, if it leaves the file as it was."""
    python = language_of(file.path) == "python"
    edits = tuple(edit for hunk in file.hunks for edit in _edits(hunk, python))
    if not (edits or file.header or file.created or file.deleted):
        return ()
    return file.path, file.created, file.deleted, file.header, edits


def _edits(hunk: Hunk, python: bool) -> Iterator[Edit]:
    """Runs of changed lines, without those that say nothing; not the runs that change nothing then."""
    lines = _without_remarks(hunk, python)
    said: list[str | None] = [text for _, text in lines]
    if python:
        try:
            old, new = (_said(lines, side, first=hunk.start < 3) for side in "-+")
            said = [before if sign == "-" else after for (sign, _), before, after in zip(lines, old, new, strict=True)]
        except _NotCode:
            pass
    number = hunk.start
    removed: list[tuple[int, str]] = []
    added: list[str] = []
    for (sign, _), text in (*zip(lines, said, strict=True), ((" ", ""), None)):
        if sign == "+" and text is not None:
            added.append(text)
        elif sign == "-" and text is not None:
            removed.append((number, text))
        elif sign == " ":
            if [text for _, text in removed] != added:
                yield tuple(removed), removed[0][0] if removed else number, tuple(added)
            removed, added = [], []
        number += sign in " -"


def _without_remarks(hunk: Hunk, python: bool) -> list[tuple[str, str]]:
    """The lines; git's remark that a file ends without a newline, which Python does not mind, as part of its line."""
    lines: list[tuple[str, str]] = []
    for sign, text in hunk.lines:
        if sign != "\\":
            lines.append((sign, text))
        elif lines and not python:
            lines[-1] = (lines[-1][0], lines[-1][1] + "\n\\")
    return lines


def _said(lines: Sequence[tuple[str, str]], side: str, first: bool) -> list[str | None]:
    """What each line of one side says as Python; None for blank lines and comments, and for lines of the other side.

    `first`: whether these may be the first lines of the file, where comments can have a meaning.
    Raises _NotCode if they do not read as code.
    """
    found: list[str | None] = []
    quote = ""  # what ends the string that is open
    for sign, text in lines:
        if sign not in (" ", side):
            found.append(None)
            continue
        if first and _MEANT.match(text):
            raise _NotCode
        said, quote = _read_line(text, quote)
        found.append(said)
    if quote:
        raise _NotCode
    return found


def _read_line(text: str, quote: str) -> tuple[str | None, str]:
    """What a line says, and the quotes that end a string which is open after it; `quote`: those of one open before."""
    indent = "" if quote else text[: len(text) - len(text.lstrip(" \t\f"))]
    position = len(indent)
    words: list[str] = []
    was_name = False
    if quote and not text:
        return text, quote
    if "\r" in text[:-1]:
        raise _NotCode
    while position < len(text):
        start = position
        if quote:
            position = _end_of_string(text, position, quote)
            quote = "" if position else quote
            position = position or len(text)
            kind = "string"
        else:
            token = _TOKEN.match(text, position)
            if token is None:
                raise _NotCode
            kind, position = token.lastgroup or "", token.end()
            quote = text[position - 3 : position] if kind == "open" else ""
        word = text[start:position]
        is_name = kind == "word" and word not in _KEYWORDS
        if is_name and was_name:  # as in a sentence, not in a program
            raise _NotCode
        if kind not in ("blank", "comment"):
            words.append(word)
            was_name = is_name
    return (indent + " ".join(words) if words else None), quote


def _end_of_string(text: str, position: int, quote: str) -> int:
    """Where the string that is open at a position ends; 0 if not in this text."""
    end = re.compile(rf"(?:[^\\]|\\.)*?{quote}", re.DOTALL).match(text, position)
    return end.end() if end else 0

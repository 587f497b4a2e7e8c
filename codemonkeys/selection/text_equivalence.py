"""Patches that say the same, told from their text alone, for patches whose codebase is not at hand.

Headers, order of files and how much context is shown make no difference; in Python neither do blank lines, comments
and blanks between words. Indentation, strings, paths and places count. What begins before a hunk cannot be seen: only
where both sides of a hunk read as a program by themselves are its lines taken for code; elsewhere they count as they
are written. What remains is a program that is quoted in a string which begins before the hunk.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

from codemonkeys.context.languages import language_of, parse
from codemonkeys.selection.diffs import FileDiff, Hunk, read_diff

_MEANT = re.compile(r"#!|#.*coding[:=]")
_HANDLER = re.compile(r"\s*(except|finally)\b")
_ALTERNATIVE = re.compile(r"\s*(else|elif|except|finally)\b")

Edit = tuple[tuple[tuple[int, str], ...], int, tuple[str, ...]]
"""Lines removed, with their numbers; the number of the line where the change begins; lines added."""


class _NotCode(Exception):
    """The lines do not read as a program."""


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
    """Runs of changed lines, without lines that say nothing, and without runs that change nothing then."""
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
    Raises _NotCode if they do not read as a program.
    """
    mine = [text for sign, text in lines if sign in (" ", side)]
    if any("\r" in text[:-1] or (first and _MEANT.match(text)) for text in mine):
        raise _NotCode
    words = iter(_words(mine))
    return [next(words) if sign in (" ", side) else None for sign, _ in lines]


def _words(lines: Sequence[str]) -> list[str | None]:
    """For each line its indentation and its words, one blank between them; None if it has none."""
    before, after = _frame(lines)
    content = "\n".join((*before, *lines, *after)).encode("utf-8", "replace")
    tree = parse("a.py", content)
    if tree is None or tree.root_node.has_error:
        raise _NotCode
    words: list[list[str]] = [[] for _ in range(content.count(b"\n") + 1)]
    within = set()  # lines that begin within a string: their blanks are data
    stack = [tree.root_node]
    while stack:
        node = stack.pop()
        if node.type == "line_continuation":
            raise _NotCode
        if node.type == "string" or not node.children:
            parts = content[node.start_byte : node.end_byte].decode().split("\n")
            for row, part in enumerate(parts if node.type != "comment" else (), start=node.start_point.row):
                words[row].append(part)
                if row > node.start_point.row:
                    within.add(row)
        else:
            stack.extend(reversed(node.children))
    said: list[str | None] = []
    for row, line in enumerate(lines, start=len(before)):
        indentation = "" if row in within else line[: len(line) - len(line.lstrip())]
        said.append(indentation + " ".join(words[row]) if words[row] else None)
    return said


def _frame(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Lines before and after some lines of a program that make them whole: blocks that began before, or end after."""
    code = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not code:
        return [], []
    indents = [line[: len(line) - len(line.lstrip())] for line in code]
    before: list[str] = []
    least = indents[0]
    if _ALTERNATIVE.match(code[0]):
        before = [f"{least}{'try' if _HANDLER.match(code[0]) else 'if 1'}:", f"{least} pass"]
    for line, indent in zip(code, indents, strict=True):
        if len(indent) < len(least):
            before.insert(0, f"{indent}{'try' if _HANDLER.match(line) else 'if 1'}:")
            least = indent
    return before, [f"{indents[-1]} pass"] if code[-1].rstrip().endswith(":") else []

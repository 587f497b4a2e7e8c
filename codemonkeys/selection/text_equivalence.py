"""Equivalence of patches by their text alone, without the repository.

Headers, order of files and amount of context make no difference; nor, in languages with a grammar, do blank lines,
comments and spaces between tokens. Strings, paths and line numbers count, and the indentation of Python. As the code
before a hunk is unknown, its lines are treated as code only if both sides of the hunk parse by themselves; otherwise
they count verbatim. This fails only for program text inside a string that begins before the hunk.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

from codemonkeys.context.languages import language_of, parse
from codemonkeys.selection.diffs import FileDiff, Hunk, read_diff
from codemonkeys.selection.fragments import NotCode, by_grammar

_SIGNIFICANT_COMMENT = re.compile(r"#!|#.*coding[:=]")
_HANDLER = re.compile(r"\s*(except|finally)\b")
_ALTERNATIVE = re.compile(r"\s*(else|elif|except|finally)\b")

Edit = tuple[tuple[tuple[int, str], ...], int, tuple[str, ...]]
"""(removed lines with their numbers, number of the line where the change begins, added lines)."""


def text_classes(patches: Sequence[str]) -> tuple[int, ...]:
    """For each patch the index of the first equivalent one; its own if none precedes it."""
    first: dict[str, int] = {}
    return tuple(first.setdefault(text_form(patch), index) for index, patch in enumerate(patches))


def text_form(patch: str) -> str:
    """A hash that is equal for equivalent patches. Text that is not a diff counts verbatim."""
    files = read_diff(patch)
    normalised = repr(sorted(form for file in files if (form := _file_form(file)))) if files else patch
    return hashlib.sha256(f"{len(files) > 0}\0{normalised}".encode("utf-8", "surrogatepass")).hexdigest()


def _file_form(file: FileDiff) -> tuple[str, bool, bool, tuple[str, ...], tuple[Edit, ...]] | tuple[()]:
    """Normal form of the changes to one file; empty if it stays as it was."""
    edits = tuple(edit for hunk in file.hunks for edit in _edits(hunk, language_of(file.path)))
    if not (edits or file.header or file.created or file.deleted):
        return ()
    return file.path, file.created, file.deleted, file.header, edits


def _edits(hunk: Hunk, language: str | None) -> Iterator[Edit]:
    """Runs of changed lines without insignificant lines; runs without an effective change are left out."""
    lines = _merge_remarks(hunk, language == "python")
    normalised: list[str | None] = [text for _, text in lines]
    if language is not None:
        try:
            old, new = (_normalised(lines, side, language, first=hunk.start < 3) for side in "-+")
            normalised = [
                before if sign == "-" else after for (sign, _), before, after in zip(lines, old, new, strict=True)
            ]
        except NotCode:
            pass
    number = hunk.start
    removed: list[tuple[int, str]] = []
    added: list[str] = []
    for (sign, _), text in (*zip(lines, normalised, strict=True), ((" ", ""), None)):
        if sign == "+" and text is not None:
            added.append(text)
        elif sign == "-" and text is not None:
            removed.append((number, text))
        elif sign == " ":
            if [text for _, text in removed] != added:
                yield tuple(removed), removed[0][0] if removed else number, tuple(added)
            removed, added = [], []
        number += sign in " -"


def _merge_remarks(hunk: Hunk, python: bool) -> list[tuple[str, str]]:
    """The lines, with git's remark about a missing final newline merged into its line; dropped in Python."""
    lines: list[tuple[str, str]] = []
    for sign, text in hunk.lines:
        if sign != "\\":
            lines.append((sign, text))
        elif lines and not python:
            lines[-1] = (lines[-1][0], lines[-1][1] + "\n\\")
    return lines


def _normalised(lines: Sequence[tuple[str, str]], side: str, language: str, first: bool) -> list[str | None]:
    """Normalised code of each line on one side; None for blank lines, comments, and lines of the other side.

    `first`: whether these may be the first lines of the file, where comments can be significant.
    Raises NotCode if they do not parse.
    """
    mine = [text for sign, text in lines if sign in (" ", side)]
    if any("\r" in text[:-1] or (first and _SIGNIFICANT_COMMENT.match(text)) for text in mine):
        raise NotCode
    tokens = iter(_tokenised(mine) if language == "python" else by_grammar(mine, language))
    return [next(tokens) if sign in (" ", side) else None for sign, _ in lines]


def _tokenised(lines: Sequence[str]) -> list[str | None]:
    """For each line its indentation and tokens, separated by single spaces; None without tokens."""
    before, after = _frame(lines)
    content = "\n".join((*before, *lines, *after)).encode("utf-8", "replace")
    tree = parse("a.py", content)
    if tree is None or tree.root_node.has_error:
        raise NotCode
    tokens: list[list[str]] = [[] for _ in range(content.count(b"\n") + 1)]
    within = set()  # lines that begin inside a string: their whitespace is data
    stack = [tree.root_node]
    while stack:
        node = stack.pop()
        if node.type == "line_continuation":
            raise NotCode
        if node.type == "string" or not node.children:
            parts = content[node.start_byte : node.end_byte].decode().split("\n")
            for row, part in enumerate(parts if node.type != "comment" else (), start=node.start_point.row):
                tokens[row].append(part)
                if row > node.start_point.row:
                    within.add(row)
        else:
            stack.extend(reversed(node.children))
    normalised: list[str | None] = []
    for row, line in enumerate(lines, start=len(before)):
        indentation = "" if row in within else line[: len(line) - len(line.lstrip())]
        normalised.append(indentation + " ".join(tokens[row]) if tokens[row] else None)
    return normalised


def _frame(lines: Sequence[str]) -> tuple[list[str], list[str]]:
    """Lines to put before and after a fragment to make it complete, for blocks that begin before or end after it."""
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

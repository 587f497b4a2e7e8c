"""The issue that a fix is for: of a file of issues by its number, or else the message of the commit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from codemonkeys.errors import BadInput
from codemonkeys.mining.history import Commit
from codemonkeys.system.text import valid_text
from codemonkeys.wording import option

_REFERENCE = r"(?:[\w.-]+/[\w.-]+)?(?:#|gh-)(\d+)\b|https?://\S+/issues/(\d+)"
_ONE = re.compile(_REFERENCE, re.I)
_CLOSING = re.compile(
    rf"\b(?:fix(?:e[sd])?|close[sd]?|resolve[sd]?)\b:?\s+(?:issues?\s+|bugs?\s+)?"
    rf"((?:{_REFERENCE})(?:\s*(?:,|and|&)\s*(?:{_REFERENCE}))*)",
    re.I,
)
_OF_MERGE = re.compile(
    r"\s*merge(?:d)?\s+(?:pull request\b.*|branch(?:es)?\b.*|remote-tracking branch\b.*|commit\b.*|tag\b.*|pr\b.*"
    r"|\S+ into \S+)|\s*see merge request\b.*",
    re.I,
)
_OF_PULL_REQUEST = re.compile(r"\s*merge pull request #\d+ from \S+", re.I)
FEWEST_WORDS, FEWEST_CHARACTERS = 3, 15
"""What a text must have to be an issue."""


class IssueText(NamedTuple):
    """What is known of the issue of a fix, before anything is taken out."""

    text: str
    numbers: tuple[int, ...]
    """Of the issues in the file; empty if the text is that of the commit."""

    @property
    def origin(self) -> str:
        """Where it is from."""
        return ", ".join(f"#{number}" for number in self.numbers) or "commit message"


def read_issues(path: Path) -> dict[int, str]:
    """Title and body of each issue, by number, from JSON (a list, or one issue) or JSONL.

    Pull requests, which the REST interface of GitHub lists among issues, are left out. Raises BadInput.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{option('issues')} {path}: cannot be read as UTF-8 text: {error}") from None
    issues: dict[int, str] = {}
    for where, row in _rows(path, text):
        number, title, body = row.get("number"), row.get("title"), row.get("body")
        if isinstance(number, str) and number.isdecimal():
            number = int(number)
        if not isinstance(number, int) or isinstance(number, bool) or not isinstance(title, str):
            raise BadInput(
                f"{where}: an issue has a number and a title; as `gh issue list --json number,title,body` has"
            )
        if not isinstance(body, str | None):
            raise BadInput(f"{where}: the body of issue {number} is not text")
        if row.get("pull_request"):
            continue
        told = valid_text(f"{title}\n\n{body or ''}".strip())
        if issues.setdefault(number, told) != told:
            raise BadInput(f"{where}: issue {number} is there twice, with different texts; remove one")
    return issues


def _rows(path: Path, text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict):
        content = [content]
    if content is not None and not isinstance(content, list):
        raise BadInput(f"{path}: holds {type(content).__name__}; expected a list of issues")
    lines = [] if content is not None else text.split("\n")
    rows = [(f"{path}: issue {number}", row) for number, row in enumerate(content or (), 1)]
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                rows.append((f"{path}, line {number}", json.loads(line)))
            except (ValueError, RecursionError) as error:
                raise BadInput(f"{path}, line {number}: not JSON: {error}") from None
    for where, row in rows:
        if not isinstance(row, dict):
            raise BadInput(f"{where}: holds {type(row).__name__}; expected an object")
        yield where, row


def numbers_in(message: str) -> tuple[int, ...]:
    """Numbers of the issues that a message closes; if it closes none, of those that it names."""
    closing = [match[1] for match in _CLOSING.finditer(message)]
    found = [one for text in (closing or [message]) for one in _ONE.finditer(text)]
    # A number of more digits than any tracker has is none.
    numbers = (match[1] or match[2] for match in found)
    return tuple(dict.fromkeys(int(number) for number in numbers if len(number) < 12))


def issue_of(commit: Commit, merged: Sequence[str], issues: Mapping[int, str]) -> IssueText:
    """The issues that the commit, or what it merged, refers to; else its message, without what says that it merges."""
    numbers = tuple(number for number in numbers_in("\n\n".join((commit.message, *merged))) if number in issues)
    if numbers:
        return IssueText("\n\n".join(issues[number] for number in numbers), numbers)
    ours = _OF_MERGE if commit.merge else _OF_PULL_REQUEST  # a merge may have been put in line again
    said = "\n".join(line for line in commit.message.split("\n") if not ours.fullmatch(line))
    if not re.search(r"\w", said):
        said = "\n\n".join(dict.fromkeys(message.strip() for message in merged))
    return IssueText(said.strip(), ())


def says_something(text: str) -> bool:
    """Whether a text is long enough to be an issue."""
    return len(text) >= FEWEST_CHARACTERS and len(re.findall(r"[^\W\d_]{2,}", text)) >= FEWEST_WORDS

"""What a model may ask for in an edit conversation before it goes on: lines of a file, words, tests of the repository.

<<<<<<< SHOW {marker} path/to/file.py:120-180
<<<<<<< FIND {marker} words
<<<<<<< RUN {marker} tests/test_file.py::test_name
"""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST = 6
"""Look-ups in one answer."""
MOST_WORDS = 8
_LINES = re.compile(r"(?P<path>.+?)(?::(?P<first>[0-9]{1,7})(?:-(?P<last>[0-9]{1,7}))?)?", re.S)


@dataclass(frozen=True)
class Show:
    """Show lines of a file, counted from 1; to its end without a last line."""

    path: str
    first: int = 1
    last: int | None = None


@dataclass(frozen=True)
class Find:
    """Find the lines of the repository that contain all of these words, in lower case."""

    words: tuple[str, ...]


@dataclass(frozen=True)
class RunTests:
    """Run a test file of the repository, or one test of it."""

    path: str
    name: str = ""
    """The test within the file, as its runner names it; empty for all of them."""


LookUp = Show | Find | RunTests

LOOK_UP_WORDS = ("SHOW", "FIND", "RUN")
"""The words of their marker lines."""


def read_look_up(word: str, rest: str) -> LookUp:
    """A look-up, from what follows the marker in its line. Raises ValueError saying how that is to be written."""
    match word:
        case "SHOW":
            found = _LINES.fullmatch(rest)
            first, last = (int(found["first"] or 1), int(found["last"] or 0)) if found else (0, 0)
            if found is None or first < 1 or (found["last"] and last < first):
                raise ValueError("path/to/file:FIRST-LAST")
            return Show(found["path"], first, last or None)
        case "FIND":
            words = tuple(dict.fromkeys(rest.lower().split()))
            if not 1 <= len(words) <= MOST_WORDS:
                raise ValueError(f"one to {MOST_WORDS} words of one line")
            return Find(words)
    path, _, name = rest.partition("::")
    if not path:
        raise ValueError("path/to/test_file::test_name")
    return RunTests(path, name)


def look_up_forms(marker: str) -> str:
    """How look-ups are written, for a model."""
    return (
        f"one to {MOST} of these lines, to see more of the repository first:\n\n"
        f"<<<<<<< SHOW {marker} path/to/file:120-180\n"
        f"<<<<<<< FIND {marker} words of one line\n"
        f"<<<<<<< RUN {marker} path/to/test_file::test_name"
    )

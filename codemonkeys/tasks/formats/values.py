"""Values of columns that data sets publish packed in text: literals of Python, JSON, and texts in quotes."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable
from typing import Any

from codemonkeys.tasks.formats.base import BadColumn, Derived, Row

LANGUAGES = {
    "js": "javascript",
    "ts": "typescript",
    "py": "python",
    "golang": "go",
    "c++": "cpp",
    "c#": "c_sharp",
    "csharp": "c_sharp",
    "rs": "rust",
    "rb": "ruby",
}
"""Other names of languages that data sets use."""
LARGEST = 32 << 20
"""Maximum characters of a packed value."""


def unpacked(column: str) -> Callable[[Row], Any]:
    """A column that is published as a value, as JSON in a text, or as a literal of Python in a text."""

    def make(row: Row) -> Any:
        value = row.get(column)
        return unpack(value, column) if isinstance(value, str) else value

    return make


def unpack(text: str, column: str) -> Any:
    """The value of a text of JSON, or else of a literal of Python; None of an empty one. Raises BadColumn."""
    if not text.strip():
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        if len(text) > LARGEST:
            raise ValueError("it is too long")
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise BadColumn(f"column {column!r} is neither JSON nor a literal of Python") from None


def names(column: str) -> Derived:
    """A list of names, packed or not; of a mapping, its keys."""
    make = unpacked(column)

    def listed(row: Row) -> Any:
        value = make(row)
        return [name for name, told in value.items() if told is not None] if isinstance(value, dict) else value

    return Derived((column,), listed)


def text_of(row: Row, column: str) -> str:
    """A column as text, without the quotes of a JSON string that it may be published in. Raises BadColumn."""
    value = row.get(column)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadColumn(f"column {column!r} is {type(value).__name__}, not text")
    if value[:1] == value[-1:] == '"':
        try:
            decoded = json.loads(value, strict=False)
        except (ValueError, RecursionError):
            return value
        return decoded if isinstance(decoded, str) else value
    return value


def required(row: Row, column: str) -> str:
    """A column as text, with which other columns are made. Raises BadColumn if it is not there or empty."""
    value = row.get(column)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise BadColumn(f"column {column!r} is missing, empty or not text")
    return value


def language_name(value: object) -> object:
    """The name of a language as this package has it: in lower case, by its usual name."""
    if not isinstance(value, str):
        return value
    low = value.strip().lower()
    return LANGUAGES.get(low, low)


def with_sections(issue: str, **sections: str) -> str:
    """An issue followed by titled sections, those that have a text."""
    parts = [
        issue.rstrip(),
        *(f"## {title.capitalize()}\n\n{text.strip()}" for title, text in sections.items() if text.strip()),
    ]
    return "\n\n".join(parts) + "\n" if len(parts) > 1 else issue

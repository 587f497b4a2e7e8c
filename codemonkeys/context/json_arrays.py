"""Extracts JSON arrays from models' answers, ignoring the text around them."""

from __future__ import annotations

import json
from collections.abc import Container
from typing import Any


def last_array(answer: str) -> list[Any] | None:
    """The last top-level JSON array in a text; None if there is none."""
    decoder = json.JSONDecoder()
    found: list[Any] | None = None
    position = answer.find("[")
    while position != -1:
        try:
            value, end = decoder.raw_decode(answer, position)
        except (json.JSONDecodeError, RecursionError):
            end = position + 1
        else:
            found = value
        position = answer.find("[", end)
    return found


def last_paths(answer: str, known: Container[str]) -> list[str] | None:
    """The known paths in that array, each once, in its order; None if there is no array."""
    named = last_array(answer)
    return named and list(dict.fromkeys(path for path in named if isinstance(path, str) and path in known))

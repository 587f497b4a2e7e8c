"""Extracts JSON arrays from models' answers, ignoring the text around them."""

from __future__ import annotations

import json
from collections.abc import Container
from typing import Any

from codemonkeys.engine.conversation import UnusableAnswer

DECODER = json.JSONDecoder()


def last_array(answer: str) -> list[Any] | None:
    """The last top-level JSON array in a text; None if there is none."""
    found: list[Any] | None = None
    position = answer.find("[")
    while position != -1:
        try:
            value, end = DECODER.raw_decode(answer, position)
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


def parse_numbers(answer: str, count: int) -> list[int]:
    """The last JSON array of an answer, which has each number from 1 to `count` once. Raises UnusableAnswer."""
    numbers = last_array(answer)
    if numbers is None:
        raise UnusableAnswer("it has no JSON array of numbers.")
    if any(type(n) is not int for n in numbers) or sorted(numbers) != list(range(1, count + 1)):
        raise UnusableAnswer(f"its array does not hold each number from 1 to {count} once.")
    return numbers

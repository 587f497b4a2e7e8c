"""Reads JSON arrays out of models' answers, whatever stands around them."""

from __future__ import annotations

import json
from typing import Any


def last_array(answer: str) -> list[Any] | None:
    """The last JSON array in a text that is not part of another one; None if there is none."""
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

"""What is stored of the cost of a model call that has ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

from codemonkeys.models.base import Usage

UNITS_PER_DOLLAR = 10**15
"""Money is summed in integer units, so that adding and subtracting the same amount leaves no rounding error."""
TOLERANCE = UNITS_PER_DOLLAR // 10**9
"""Rounding error allowed in a sum of prices: far below the cost of any call."""
NOT_SENT = "it did not go out"
"""Error of a call that was recorded when the run was already being stopped; no failure of anybody."""


class Settlement(NamedTuple):
    """What is known of the cost of a call that has ended."""

    cost: float | None = None
    """US dollars; None: its tokens at the model's price, or its upper bound."""
    counted: int | None = None
    """Tokens of the prompt as we count them."""
    bound: Callable[[], float] = lambda: 0.0
    """Upper bound of the same call if it were made now."""


NOTHING_KNOWN = Settlement()


def to_units(dollars: float) -> int:
    """US dollars in integer units."""
    return round(dollars * UNITS_PER_DOLLAR)


def columns_of(usage: Usage | None) -> tuple[int | str | None, ...]:
    """The columns of a usage: the tokens of prompt, completion, cache read and cache write, and the record as JSON."""
    if usage is None:
        return (None,) * 5
    counts = (usage.prompt_tokens, usage.completion_tokens, usage.cache_read_tokens, usage.cache_write_tokens)
    return (*counts, json.dumps(dict(usage.raw)))

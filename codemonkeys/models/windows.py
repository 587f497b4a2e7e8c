"""What fits into a model: its window and its longest answer, from litellm's list or a registry file of the user's."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from codemonkeys.errors import BadSettings
from codemonkeys.models.prices import find, read_registry, registry_path, shipped_prices

FIELDS = ("max_input_tokens", "max_output_tokens", "max_tokens")
"""What an entry says of lengths. The last is an older name of the second, or of the first where that is not known."""
SPOKEN = 500
"""Tokens of an answer beside what is thought, at least."""
SHARE = 4
"""What is asked of a model leaves at least one part of so many of its window to the answer."""


@dataclass(frozen=True)
class Window:
    """How much a model takes, in tokens as its provider counts them; None: unknown."""

    tokens: int | None = None
    """Prompt and answer together, at most."""
    answer: int | None = None
    """Longest answer, where the window is not its only bound."""
    margin: float = 1.25
    """How many of the provider's tokens one of ours may come to."""

    def longest(self, max_tokens: int) -> int:
        """Tokens of an answer for which so many are wanted, if the prompt leaves room."""
        return min([max_tokens, *(most for most in (self.answer, self.tokens) if most is not None)])

    def least(self, max_tokens: int, thinking: int | None = None) -> int:
        """Tokens of an answer that a prompt must leave room for. `thinking`: those of it to think with."""
        longest = self.longest(max_tokens)
        return longest if self.tokens is None else min(longest, max(self.tokens // SHARE, (thinking or 0) + SPOKEN))

    def room(self, max_tokens: int, thinking: int | None = None) -> float:
        """Tokens of a prompt, as we count them, that leaves room for an answer."""
        return math.inf if self.tokens is None else (self.tokens - self.least(max_tokens, thinking)) / self.margin


@runtime_checkable
class Windowed(Protocol):
    """A model that knows its window."""

    @property
    def window(self) -> Window | None:
        """None if unknown."""
        ...


def window_of(model: str, registry: Path | None = None) -> Window | None:
    """The window of a litellm model name; None if nobody knows. `registry`: see `price_of`. Raises BadSettings."""
    path = registry_path(registry)
    own = find(model, read_registry(path)) if path else None
    if own is not None and path is not None and any(own.get(name) is not None for name in FIELDS):
        check(own, f"{path}: the entry of {model!r}")
        return read_window(own)
    shipped = find(model, shipped_prices())
    return None if shipped is None else read_window(shipped)


def read_window(entry: Mapping[str, Any]) -> Window | None:
    """The window that an entry tells, read cautiously: the list does not say whether it includes the answer."""
    most, longest, either = (entry.get(name) if is_length(entry.get(name)) else None for name in FIELDS)
    if most is None and longest is None:
        most = either
    longest = longest or either
    # An answer as long as the window is no bound of its own.
    window = Window(most, longest if longest and (most is None or longest < most) else None)
    return None if window == Window() else window


def is_length(value: object) -> bool:
    """Whether a value is a number of tokens."""
    return type(value) is int and value > 0


def check(entry: Mapping[str, Any], where: str) -> None:
    """Raise BadSettings for a length that is none."""
    for name in FIELDS:
        if entry.get(name) is not None and not is_length(entry[name]):
            raise BadSettings(f"{where}: {name} must be a whole number of tokens above 0, not {entry[name]!r}")

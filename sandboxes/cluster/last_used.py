"""A dictionary of which only the last used keys are kept."""

from __future__ import annotations

from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def keep_last(known: dict[K, V], key: K, value: V, most: int) -> None:
    """Put a key behind all others of a dictionary; of more than so many, the first goes."""
    known.pop(key, None)
    known[key] = value
    if len(known) > most:
        del known[next(iter(known))]

"""Python's garbage collector in a process of our own."""

from __future__ import annotations

import gc

OBJECTS = 200_000
"""New objects after which the youngest generation is looked through: several times those of the calls that are made at
one time, which go by themselves."""
ROUNDS = 25
"""Of the middle generation, after which all objects are looked through: a run keeps nearly all that it makes."""


def collect_rarely() -> None:
    """Collect garbage less often than Python does by default, which takes a tenth of a scan's CPU time or more.

    For a process that is ours alone: a host program chooses for itself.
    """
    gc.set_threshold(OBJECTS, gc.get_threshold()[1], ROUNDS)

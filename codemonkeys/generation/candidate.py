"""The result of a trajectory."""

from __future__ import annotations

from dataclasses import dataclass

FUSED = "fuse "
"""What the source of a merged candidate begins with, before its model; no name of a model holds a space."""


@dataclass(frozen=True)
class Candidate:
    """The patch of one trajectory, with the test script it was written against."""

    sample: int
    patch: str
    test: str
    """The trajectory's last test script; empty if it has none."""
    approved: bool
    """True if the model ended the conversation itself; False if it ran out of turns, or ended early."""
    source: str = ""
    """The model or the other system that wrote it; of a candidate that layer `fuse` merged, after the layer's name."""
    family: str = ""
    """Group of related sources, whose candidates tend to share mistakes."""


def is_fused(source: str) -> bool:
    """Whether a candidate of this source is merged from others, and no sample."""
    return source.startswith(FUSED)

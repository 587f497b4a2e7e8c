"""The result of a trajectory."""

from __future__ import annotations

from dataclasses import dataclass


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
    """The model or the other system that wrote it."""
    family: str = ""
    """Group of related sources, whose candidates tend to share mistakes."""

"""What a trajectory ends with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Candidate:
    """A patch that one trajectory ended with, and the test script it was made against."""

    sample: int
    patch: str
    test: str
    """The trajectory's last test script; empty when it has none."""
    approved: bool
    """The model itself ended the conversation; False when it ran out of turns."""
    source: str = ""
    """Who made it: the model that wrote it, or another system."""
    family: str = ""
    """Candidates of sources of one family share their mistakes."""

"""The result of a trajectory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

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


@dataclass(frozen=True)
class FirstEdit:
    """How far a trajectory is with its first edit."""

    candidate: Candidate
    """What it comes to if it ends with that."""
    broken: int | None
    """Tests of the repository that the edit breaks; None if unknown."""


GoesOn = Callable[[FirstEdit], Awaitable[bool]]
"""Is asked with a first edit whether its trajectory goes on."""


class FirstEdits(Protocol):
    """Where the trajectories of a wave wait for each other after their first edits."""

    async def goes_on(self, edit: FirstEdit) -> bool:
        """Whether a trajectory has further turns."""
        ...

    def ended(self, sample: int, candidate: Candidate | None) -> None:
        """A trajectory has ended with this, whether it asked before or not."""
        ...


def is_fused(source: str) -> bool:
    """Whether a candidate of this source is merged from others, and no sample."""
    return source.startswith(FUSED)

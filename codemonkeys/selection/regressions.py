"""What is known of the repository's own tests on the candidates."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Regressions:
    """Which of the repository's own tests each candidate breaks."""

    tests: tuple[str, ...] = ()
    """Tests that pass twice on the unedited code."""
    broken: tuple[tuple[str, ...] | None, ...] = ()
    """By distinct candidate, the tests it breaks; None if unknown."""
    said: tuple[str, ...] = ()
    """By distinct candidate, what failed in the tests it breaks, or the last of what the test runner printed."""

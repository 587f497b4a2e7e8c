"""What grading finds out about a prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from codemonkeys.journal.verdicts import INFRASTRUCTURE


class Outcome(StrEnum):
    """What grading found."""

    RESOLVED = "resolved"
    NOT_RESOLVED = "not resolved"
    EMPTY_PATCH = "empty patch"
    PATCH_FAILED = "patch did not apply"
    LIMIT_REACHED = "tests reached a limit"
    """They timed out, ran out of memory or wrote without end; the detail says which."""
    INFRASTRUCTURE = INFRASTRUCTURE
    """Nothing is known about the patch: it is not to be counted as wrong, and is graded anew the next time."""


@dataclass(frozen=True)
class Verdict:
    """The grading of one prediction."""

    id: str
    outcome: Outcome
    detail: str = ""
    tests: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    """For FAIL_TO_PASS and PASS_TO_PASS, how many behave as they should and how many do not."""
    seconds: float = 0.0
    """Wall-clock time of the tests."""
    flags: tuple[str, ...] = ()
    """What the patch touches that could change how tests run or what they say; see `flags.suspicious`."""
    unstable: bool = False
    """Whether repeats of the grading disagreed."""
    repeats: tuple[Verdict, ...] = ()
    """Every single grading, if there were several; the others are what most of them found."""

    @property
    def resolved(self) -> bool:
        """The hidden tests behave as with the reference fix."""
        return self.outcome is Outcome.RESOLVED


def majority(verdicts: Sequence[Verdict]) -> Verdict:
    """What most gradings of one prediction found; all of them are kept in `repeats`.

    Failures of the infrastructure have no say unless there is nothing else. A tie is not resolved: what only half of
    the gradings confirm is not confirmed.
    """
    if len(verdicts) == 1:
        return verdicts[0]
    told = [v for v in verdicts if v.outcome is not Outcome.INFRASTRUCTURE] or list(verdicts)
    outcomes = [v.outcome for v in told]
    # Of equal counts, `False` comes first in a minimum, and then the one that came first.
    winner = min(told, key=lambda v: (-outcomes.count(v.outcome), v.resolved))
    return replace(winner, unstable=len(set(outcomes)) > 1, repeats=tuple(verdicts))

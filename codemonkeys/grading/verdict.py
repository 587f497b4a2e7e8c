"""Verdicts: the results of grading predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from codemonkeys.journal.verdicts import INFRASTRUCTURE


class Outcome(StrEnum):
    """Outcome of a grading."""

    RESOLVED = "resolved"
    NOT_RESOLVED = "not resolved"
    EMPTY_PATCH = "empty patch"
    PATCH_FAILED = "patch did not apply"
    LIMIT_REACHED = "tests reached a limit"
    """They timed out, ran out of memory or exceeded the output limit; the detail says which."""
    INFRASTRUCTURE = INFRASTRUCTURE
    """Says nothing about the patch: do not count it as wrong; it is graded again the next time."""


@dataclass(frozen=True)
class Verdict:
    """The verdict on one prediction."""

    id: str
    outcome: Outcome
    detail: str = ""
    tests: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    """For FAIL_TO_PASS and PASS_TO_PASS, the numbers of tests that pass and fail."""
    seconds: float = 0.0
    """Wall-clock time of the tests."""
    flags: tuple[str, ...] = ()
    """Touched files that could change how tests run or what they report; see `flags.suspicious`."""
    unstable: bool = False
    """Whether repeated gradings disagreed."""
    repeats: tuple[Verdict, ...] = ()
    """Every grading, if there were several; the other fields are their majority."""

    @property
    def resolved(self) -> bool:
        """Whether the hidden tests pass as with the reference fix."""
        return self.outcome is Outcome.RESOLVED


def majority(verdicts: Sequence[Verdict]) -> Verdict:
    """The majority of several gradings of one prediction, with all of them in `repeats`.

    Infrastructure failures are ignored unless there is nothing else. A tie counts as not resolved, since only half of
    the gradings confirm the fix.
    """
    if len(verdicts) == 1:
        return verdicts[0]
    conclusive = [v for v in verdicts if v.outcome is not Outcome.INFRASTRUCTURE] or list(verdicts)
    outcomes = [v.outcome for v in conclusive]
    # Tie-break: not resolved sorts first, then the earlier grading.
    winner = min(conclusive, key=lambda v: (-outcomes.count(v.outcome), v.resolved))
    return replace(winner, unstable=len(set(outcomes)) > 1, repeats=tuple(verdicts))

"""What a selection rule knows of one task: candidates, and what tests and judges said of them. No label anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class ScriptOutcome(StrEnum):
    """What one run of a test script told of one version of the code."""

    FIXED = "fixed"
    PRESENT = "present"
    BROKEN = "broken"
    """Neither: the script itself broke, or ran into a limit."""
    NOT_APPLIED = "not applied"
    """The candidate does not apply, so nothing ran."""


@dataclass(frozen=True)
class Evidence:
    """One task's candidates. A tuple that is not empty has one entry for each candidate, unless it says otherwise."""

    task: str
    patches: tuple[str, ...]
    """Candidates in the order they were made. Equal ones are all here: how many agree is evidence."""
    classes: tuple[int, ...]
    """Index of the first candidate that is equivalent to this one: itself, if there is none before it."""
    sources: tuple[str, ...] = ()
    """Who made it: a model of ours, or another system."""
    families: tuple[str, ...] = ()
    """Sources of one family share their mistakes: their agreement is not to be counted twice."""
    original: tuple[ScriptOutcome, ...] = ()
    """What each test, not candidate, told of the unedited code."""
    edited: tuple[tuple[ScriptOutcome, ...], ...] = ()
    """What each test told of the candidate."""
    own: tuple[int | None, ...] = ()
    """Index of the test that was written together with the candidate."""
    approved: tuple[bool, ...] = ()
    """Whether its trajectory said that it is done, before its turns ended."""
    regressions: int = 0
    """How many of the repository's own tests ran: each passes on the unedited code."""
    breaks: tuple[int | None, ...] = ()
    """How many of these the candidate breaks; None if that is not known."""
    scores: tuple[float | None, ...] = ()
    """A judge's belief that it is right, from 0 to 1; None if it was not asked."""
    ballots: tuple[int | None, ...] = ()
    """What each ballot, not candidate, chose: an index of a candidate, or None for none of them."""
    conversation: tuple[int | None, ...] = ()
    """What the selection conversation chose, in one entry: an index, or None for none. Empty if it was not held."""


@dataclass(frozen=True)
class Ranking:
    """A rule's answer: candidates, best first; empty if the rule abstains."""

    order: tuple[int, ...]
    """Indexes of candidates; of equivalent ones only the first need be here."""
    confidence: float
    """From 0 to 1: how sure the rule is that the first one is right. Its scale is the rule's own."""
    reason: str = ""
    """Why the first one, or why none, in a few words."""

"""All that a selection rule knows about a task: candidates, and results of tests and judges. No labels."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class ScriptOutcome(StrEnum):
    """Result of a test script on one version of the code."""

    FIXED = "fixed"
    PRESENT = "present"
    BROKEN = "broken"
    """Neither: the script itself failed or hit a limit."""
    NOT_APPLIED = "not applied"
    """The candidate does not apply, so the script did not run."""
    UNTRUSTED = "untrusted"
    """The script said fixed, and the candidate failed a control: it decides how a process ends that imports it."""


class Match(NamedTuple):
    """A match of a tournament: candidates of a group, compared by a model in several votes."""

    round: int
    """From 1."""
    candidates: tuple[int, ...]
    """The group, the best by the ranking before the tournament first."""
    votes: tuple[int | None, ...]
    """What each deciding vote prefers: a candidate, or None for none of them."""
    winner: int
    whole: bool = False
    """Whether the first votes disagreed, so that votes decided that saw all evidence."""


@dataclass(frozen=True)
class Evidence:
    """Candidates of one task. Unless stated otherwise, a tuple is empty or has one entry per candidate."""

    task: str
    patches: tuple[str, ...]
    """Candidates in the order of creation, duplicates included: how many agree is evidence."""
    classes: tuple[int, ...]
    """Index of the first candidate that is equivalent to this one; its own if none precedes it."""
    sources: tuple[str, ...] = ()
    """Author: one of our models, or another system."""
    families: tuple[str, ...] = ()
    """Sources of one family share their mistakes, so their agreement must not count twice."""
    original: tuple[ScriptOutcome, ...] = ()
    """Result of each test (not candidate) on the unedited code."""
    edited: tuple[tuple[ScriptOutcome, ...], ...] = ()
    """Result of each test on the candidate."""
    own: tuple[int | None, ...] = ()
    """Index of the test written together with the candidate; None if there is none."""
    approved: tuple[bool, ...] = ()
    """Whether its trajectory declared it done before running out of turns."""
    regressions: int = 0
    """Number of the repository's own tests that ran, all of which pass on the unedited code."""
    breaks: tuple[int | None, ...] = ()
    """Number of these that the candidate breaks; None if unknown."""
    scores: tuple[float | None, ...] = ()
    """A judge's belief that it is right, from 0 to 1; None if not asked."""
    by_samples: bool = True
    """Whether shares of candidates by that belief are shares of samples; else of distinct candidates, as it was."""
    ballots: tuple[int | None, ...] = ()
    """Choice of each ballot (not candidate): index of a candidate, or None for none of them."""
    conversation: tuple[int | None, ...] = ()
    """Choice of the selection conversation in a single entry: an index, or None for none. Empty if not held."""
    matches: tuple[Match, ...] = ()
    """The matches of a tournament, in the order of play. Empty if none was held."""


@dataclass(frozen=True)
class Ranking:
    """A rule's answer."""

    order: tuple[int, ...]
    """Indices of candidates, best first; empty if the rule abstains. Of equivalent ones the first is enough."""
    confidence: float
    """From 0 to 1: how sure the rule is of the first one, on the rule's own scale."""
    reason: str = ""
    """Why the first one or none was chosen, in a few words."""

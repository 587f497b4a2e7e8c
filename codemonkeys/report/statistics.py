"""What verdicts tell of samples, rules, tests and verifiers. Verdicts are True, False, or None where nobody said."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from math import prod
from typing import NamedTuple, TypeVar

from codemonkeys.selection.estimate import Votes
from codemonkeys.selection.evidence import Evidence, Ranking, ScriptOutcome

T = TypeVar("T")
Verdict = bool | None

ROUNDS = 1_000
"""Resamplings of tasks for an interval."""


class Interval(NamedTuple):
    """A number, and within what it lies in 95 of 100 resamplings of the tasks."""

    value: float
    low: float
    high: float


def pass_at_k(samples: int, right: int, k: int) -> float:
    """The chance that of k samples, drawn from these, one is right: unbiased. Large Language Monkeys, arXiv 2407.21787.

    Raises ValueError if there are fewer than k samples.
    """
    if not 0 <= right <= samples or not 1 <= k <= samples:
        raise ValueError(f"pass@{k} of {right} right ones among {samples} samples is not defined")
    return 1 - prod(1 - k / n for n in range(samples - right + 1, samples + 1)) if samples - right >= k else 1.0


def coverage(counts: Sequence[tuple[int, int]], k: int) -> Interval:
    """pass@k over tasks, each given as samples and right ones; a task with fewer than k samples counts with all."""
    return bootstrap([pass_at_k(n, right, min(k, n)) if n else 0.0 for n, right in counts])


def bootstrap(values: Sequence[float], rounds: int = ROUNDS, seed: int = 0) -> Interval:
    """The mean over tasks, with its interval. Raises ValueError without a task."""
    return bootstrap_of(values, lambda drawn: sum(drawn) / len(drawn), rounds, seed)


def bootstrap_of(
    tasks: Sequence[T], statistic: Callable[[Sequence[T]], float], rounds: int = ROUNDS, seed: int = 0
) -> Interval:
    """Any statistic of tasks, with its interval: percentiles over tasks drawn with replacement."""
    if not tasks:
        raise ValueError("there is no task to draw from")
    dice = random.Random(seed)
    found = sorted(statistic(dice.choices(tasks, k=len(tasks))) for _ in range(rounds))
    return Interval(statistic(tasks), found[int(0.025 * rounds)], found[int(0.975 * rounds)])


def random_score(verdicts: Sequence[Verdict]) -> float:
    """How likely a candidate taken at random is right: of those with a verdict."""
    known = [verdict for verdict in verdicts if verdict is not None]
    return sum(known) / len(known) if known else 0.0


def oracle(verdicts: Sequence[Verdict]) -> bool:
    """Whether any candidate is right: what the best possible choice reaches."""
    return any(verdicts)


def score(ranking: Ranking, verdicts: Sequence[Verdict]) -> bool:
    """Whether what a rule puts first is right. An abstention is not, nor is a candidate that nobody judged."""
    return bool(ranking.order and verdicts[ranking.order[0]])


class Scored(NamedTuple):
    """A rule's result on one task, between two bounds."""

    random: float
    selected: float
    oracle: float


def recovery(tasks: Sequence[Scored]) -> float:
    """How much of the distance from random to oracle a rule goes: 0 at random, 1 for the oracle; 0 if there is none."""
    lowest, reached, highest = (sum(column) for column in zip(*tasks, strict=True))
    return (reached - lowest) / (highest - lowest) if highest > lowest else 0.0


def discriminates(evidence: Evidence, test: int, verdicts: Sequence[Verdict]) -> bool:
    """Whether a test tells right candidates from wrong ones at all. R2E-Gym, arXiv 2504.07164: Distinguish."""
    right, wrong = (_passes(evidence, test, verdicts, wanted) for wanted in (True, False))
    return right is not None and wrong is not None and right != wrong


def misleads(evidence: Evidence, test: int, verdicts: Sequence[Verdict]) -> bool:
    """Whether a wrong candidate passes a test, and no right one does. R2E-Gym, arXiv 2504.07164: Toxic."""
    right, wrong = (_passes(evidence, test, verdicts, wanted) for wanted in (True, False))
    return right is False and wrong is True


def _passes(evidence: Evidence, test: int, verdicts: Sequence[Verdict], wanted: bool) -> bool | None:
    """Whether any candidate of a verdict passes the test; None if there is none."""
    rows = [row for row, verdict in zip(evidence.edited, verdicts, strict=True) if verdict is wanted]
    return any(row[test] is ScriptOutcome.FIXED for row in rows) if rows else None


class Rates(NamedTuple):
    """How often a verifier accepts right and wrong candidates; None where it judged none."""

    tpr: float | None
    fpr: float | None


def true_rates(votes: Votes, verdicts: Sequence[Verdict]) -> list[Rates]:
    """For each verifier the rates that `estimate_verifiers` estimates without verdicts."""

    def rate(verifier: int, wanted: bool) -> float | None:
        said = [row[verifier] for row, verdict in zip(votes, verdicts, strict=True) if verdict is wanted]
        known = [vote for vote in said if vote is not None]
        return sum(known) / len(known) if known else None

    return [Rates(rate(verifier, True), rate(verifier, False)) for verifier in range(len(votes[0]) if votes else 0)]

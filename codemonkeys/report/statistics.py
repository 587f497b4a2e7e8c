"""Statistics of samples, rules, tests and verifiers from verdicts. A verdict is True, False, or None if unknown."""

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
"""Bootstrap rounds for an interval."""


class Interval(NamedTuple):
    """A value with its 95 % bootstrap interval over tasks."""

    value: float
    low: float
    high: float


def pass_at_k(samples: int, right: int, k: int) -> float:
    """Unbiased pass@k: the probability that k of these samples include a correct one. arXiv 2407.21787.

    Raises ValueError if there are fewer than k samples.
    """
    if not 0 <= right <= samples or not 1 <= k <= samples:
        raise ValueError(f"pass@{k} of {right} correct ones among {samples} samples is not defined")
    return 1 - prod(1 - k / n for n in range(samples - right + 1, samples + 1)) if samples - right >= k else 1.0


def coverage(counts: Sequence[tuple[int, int]], k: int) -> Interval:
    """Mean pass@k over tasks, given as (samples, correct ones). A task with fewer than k samples uses all of them."""
    return bootstrap([pass_at_k(n, right, min(k, n)) if n else 0.0 for n, right in counts])


def bootstrap(values: Sequence[float], rounds: int = ROUNDS, seed: int = 0) -> Interval:
    """The mean over tasks, with its interval. Raises ValueError without tasks."""
    return bootstrap_of(values, lambda drawn: sum(drawn) / len(drawn), rounds, seed)


def bootstrap_of(
    tasks: Sequence[T], statistic: Callable[[Sequence[T]], float], rounds: int = ROUNDS, seed: int = 0
) -> Interval:
    """A statistic of tasks with its percentile bootstrap interval. Raises ValueError without tasks."""
    if not tasks:
        raise ValueError("no task to draw from")
    dice = random.Random(seed)
    resampled = sorted(statistic(dice.choices(tasks, k=len(tasks))) for _ in range(rounds))
    return Interval(statistic(tasks), resampled[int(0.025 * rounds)], resampled[int(0.975 * rounds)])


def random_score(verdicts: Sequence[Verdict]) -> float:
    """Probability that a random candidate is correct, among those with a verdict."""
    known = [verdict for verdict in verdicts if verdict is not None]
    return sum(known) / len(known) if known else 0.0


def oracle(verdicts: Sequence[Verdict]) -> bool:
    """Whether any candidate is correct: the score of a perfect choice."""
    return any(verdicts)


def score(ranking: Ranking, verdicts: Sequence[Verdict]) -> bool:
    """Whether a rule's first choice is correct. Abstentions and candidates without a verdict count as not."""
    return bool(ranking.order and verdicts[ranking.order[0]])


class TaskScore(NamedTuple):
    """A rule's score on one task, with its lower and upper reference."""

    random: float
    selected: float
    oracle: float


def recovery(tasks: Sequence[TaskScore]) -> float:
    """Share of the gap from random to oracle that a rule closes: 0 at random, 1 at the oracle; 0 if there is no gap."""
    lowest, reached, highest = (sum(column) for column in zip(*tasks, strict=True))
    return (reached - lowest) / (highest - lowest) if highest > lowest else 0.0


def discriminates(evidence: Evidence, test: int, verdicts: Sequence[Verdict]) -> bool:
    """Whether a test separates correct from incorrect candidates ("Distinguish" of R2E-Gym, arXiv 2504.07164)."""
    right, wrong = (_passes(evidence, test, verdicts, label) for label in (True, False))
    return right is not None and wrong is not None and right != wrong


def misleads(evidence: Evidence, test: int, verdicts: Sequence[Verdict]) -> bool:
    """Whether an incorrect candidate passes a test and no correct one does ("Toxic" of R2E-Gym, arXiv 2504.07164)."""
    right, wrong = (_passes(evidence, test, verdicts, label) for label in (True, False))
    return right is False and wrong is True


def _passes(evidence: Evidence, test: int, verdicts: Sequence[Verdict], label: bool) -> bool | None:
    """Whether any candidate with this verdict passes the test; None if no candidate has it."""
    rows = [row for row, verdict in zip(evidence.edited, verdicts, strict=True) if verdict is label]
    return any(row[test] is ScriptOutcome.FIXED for row in rows) if rows else None


class Rates(NamedTuple):
    """True and false positive rate of a verifier; None if it judged no such candidate."""

    tpr: float | None
    fpr: float | None


def true_rates(votes: Votes, verdicts: Sequence[Verdict]) -> list[Rates]:
    """The actual rates of each verifier, which `estimate_verifiers` estimates without verdicts."""

    def rate(verifier: int, label: bool) -> float | None:
        opinions = [row[verifier] for row, verdict in zip(votes, verdicts, strict=True) if verdict is label]
        known = [vote for vote in opinions if vote is not None]
        return sum(known) / len(known) if known else None

    return [Rates(rate(verifier, True), rate(verifier, False)) for verifier in range(len(votes[0]) if votes else 0)]

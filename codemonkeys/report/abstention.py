"""What abstaining buys: the share of wrong answers among those that a rule is surest of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

COVERAGES = (1.0, 0.75, 0.5, 0.25)
"""Shares of the tasks that are answered, surest first."""


@dataclass(frozen=True)
class RiskResult:
    """Risk against coverage of one rule, by its own confidence."""

    name: str
    tasks: int
    """Tasks that it decides, and whose choice has a verdict."""
    risks: tuple[tuple[float, float, float], ...]
    """By coverage: share of wrong answers among those given, and the confidence that the last of them has."""
    area: float
    """Mean risk over all coverages: of two rules with equal scores, the lower one knows better when it is wrong."""
    chance: float
    """The same if confidence told nothing: the risk of answering everything."""


def risk_result(name: str, outcomes: Mapping[str, float], confidences: Mapping[str, float]) -> RiskResult | None:
    """Risk against coverage. `outcomes`: by task, 1 for a right choice and 0 for a wrong one; None without any."""
    sure = sorted(((confidences[task], outcome) for task, outcome in outcomes.items()), reverse=True)
    if not sure:
        return None
    wrong = expected_wrong(sure)
    counts = [(coverage, max(1, round(coverage * len(sure)))) for coverage in COVERAGES]
    risks = tuple((coverage, wrong[count - 1] / count, sure[count - 1][0]) for coverage, count in counts)
    area = sum(errors / count for count, errors in enumerate(wrong, 1)) / len(sure)
    return RiskResult(name, len(sure), risks, area, wrong[-1] / len(sure))


def expected_wrong(sure: Sequence[tuple[float, float]]) -> list[float]:
    """Wrong answers among the first 1, 2, ... tasks; tasks of equal confidence come in any order, hence on average."""
    counts: list[float] = []
    before = 0.0
    for _, group in groupby(sure, key=lambda pair: pair[0]):
        wrongs = [1.0 - outcome for _, outcome in group]
        mean = sum(wrongs) / len(wrongs)
        counts += [before + mean * (n + 1) for n in range(len(wrongs))]
        before = counts[-1]
    return counts

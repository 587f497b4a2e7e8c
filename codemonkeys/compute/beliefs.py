"""What evidence makes believable: which candidates tests accept, and whether the best is right."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from math import comb

from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.rules_base import passed, valid_tests
from codemonkeys.selection.stop_policy import StopPolicy
from codemonkeys.settings import SelectionSettings
from codemonkeys.settings.compute_settings import CHANCES


def forecast_of(settings: SelectionSettings, chances: tuple[float, ...] = CHANCES) -> StopPolicy:
    """Kinds of tasks, errors of tests, and worths, for a run's settings. `chances`: `compute.chances`."""
    return StopPolicy(
        types=tuple((1 / len(chances), chance) for chance in chances),
        completeness=settings.accepts_right,
        soundness=settings.refuses_wrong,
        wrong=settings.wrong_worth,
        cost=settings.sample_cost,
    )


def is_accepted(evidence: Evidence, candidate: int) -> bool:
    """Whether a candidate passes more than half of the valid tests, and breaks none of the repository's own tests."""
    tests = valid_tests(evidence)
    return (
        bool(tests)
        and 2 * passed(evidence, candidate, tests) > len(tests)
        and not (evidence.breaks and evidence.breaks[candidate] != 0)
    )


def count_accepted(evidence: Evidence) -> int:
    """Number of accepted candidates, duplicates included."""
    return sum(is_accepted(evidence, candidate) for candidate in range(len(evidence.patches)))


def count_supported(evidence: Evidence | None) -> int:
    """Number of candidates that something speaks for: tests, or, where none is valid, another equivalent candidate."""
    if evidence is None:
        return 0
    if valid_tests(evidence):
        return count_accepted(evidence)
    largest = max(Counter(evidence.classes).values(), default=0)
    return largest if largest > 1 else 0


@lru_cache(maxsize=4_096)
def belief(policy: StopPolicy, drawn: int, accepted: int) -> float:
    """Probability that an accepted sample is right (a rejected one if none was accepted), given both counts.

    Bayesian over task types: if most samples of a task are rejected, the task is likely hard and its accepted samples
    are likely wrong too.
    """
    c, s = policy.completeness, policy.soundness
    total = right = 0.0
    for share, chance in policy.types:
        accept = c * chance + (1 - s) * (1 - chance)
        weight = share * comb(drawn, accepted) * accept**accepted * (1 - accept) ** (drawn - accepted)
        if accepted:
            right += weight * c * chance / accept
        elif accept < 1:
            right += weight * (1 - c) * chance / (1 - accept)
        total += weight
    return right / total if total else 0.0


@lru_cache(maxsize=4_096)
def expected_gain(policy: StopPolicy, drawn: int, accepted: int, more: int) -> float:
    """By how much `more` samples are expected to raise the probability that the best one is right; at least 0.

    Over the posterior of the task's types, and so the predictive distribution of how many of them are accepted. Without
    a sample nothing is right.
    """
    after = sum(
        chance * belief(policy, drawn + more, accepted + taken)
        for taken, chance in enumerate(predicted(policy, drawn, accepted, more))
    )
    gain = after - (belief(policy, drawn, accepted) if drawn else 0.0)
    return gain if gain > 1e-12 else 0.0


def predicted(policy: StopPolicy, drawn: int, accepted: int, more: int) -> list[float]:
    """Probability of each number of acceptances among `more` samples, given those so far."""
    c, s = policy.completeness, policy.soundness
    rates = [(share, c * chance + (1 - s) * (1 - chance)) for share, chance in policy.types]
    weights = [share * rate**accepted * (1 - rate) ** (drawn - accepted) for share, rate in rates]
    total = sum(weights)
    if not total:
        return [1.0] + [0.0] * more
    return [
        sum(
            weight * comb(more, taken) * rate**taken * (1 - rate) ** (more - taken)
            for weight, (_, rate) in zip(weights, rates, strict=True)
        )
        / total
        for taken in range(more + 1)
    ]

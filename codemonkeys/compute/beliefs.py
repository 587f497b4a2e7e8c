"""What evidence makes believable: which candidates tests accept, and whether the best is right."""

from __future__ import annotations

from collections import Counter
from functools import lru_cache
from math import comb

from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.rules_base import is_accepted, valid_tests
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


def count_accepted(evidence: Evidence) -> int:
    """Number of accepted candidates, duplicates included."""
    return sum(is_accepted(evidence, candidate) for candidate in range(len(evidence.patches)))


def supported(evidence: Evidence) -> list[bool]:
    """Whether something speaks for each candidate: tests or, where none is valid, that most others are equivalent.

    Then the largest class counts, the first of equal ones, if it has two members.
    """
    if valid_tests(evidence):
        return [is_accepted(evidence, candidate) for candidate in range(len(evidence.patches))]
    sizes = Counter(evidence.classes)
    largest = max(sizes, key=sizes.__getitem__, default=0)
    return [first == largest and sizes[largest] > 1 for first in evidence.classes]


def count_supported(evidence: Evidence | None) -> int:
    """Number of candidates that something speaks for."""
    return sum(supported(evidence)) if evidence else 0


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
def majority_belief(policy: StopPolicy, drawn: int, accepted: int) -> float:
    """Probability that what most accepted samples agree on is right, if right ones agree and wrong ones do too.

    The worst case for wrong ones, which in truth are wrong in several ways. Of up to two accepted samples it is that of
    one of them; with none, of a rejected one; without a sample, 0.
    """
    if accepted < 3:
        return belief(policy, drawn, accepted) if drawn else 0.0
    c, s = policy.completeness, policy.soundness
    total = right = 0.0
    for share, chance in policy.types:
        rate = c * chance + (1 - s) * (1 - chance)
        weight = share * rate**accepted * (1 - rate) ** (drawn - accepted)
        each = c * chance / rate if rate else 0.0
        for number in range(-(-accepted // 2), accepted + 1):
            won = 0.5 if 2 * number == accepted else 1.0
            right += weight * won * comb(accepted, number) * each**number * (1 - each) ** (accepted - number)
        total += weight
    return right / total if total else 0.0


@lru_cache(maxsize=4_096)
def expected_gain(policy: StopPolicy, drawn: int, accepted: int, more: int) -> float:
    """By how much `more` samples are expected to raise the probability that the choice is right; at least 0.

    Over the posterior of the task's types, and so the predictive distribution of how many of them are accepted.
    """
    after = sum(
        chance * majority_belief(policy, drawn + more, accepted + taken)
        for taken, chance in enumerate(predicted(policy, drawn, accepted, more))
    )
    gain = after - majority_belief(policy, drawn, accepted)
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

"""How samples and tests grow with compute on graded runs: what `solve-or-verify` else takes from its paper.

As in arXiv 2504.01005: at each cost the best pair of candidates and tests is found, and powers are fitted to the pairs.
Candidates and tests are drawn apart from each other, and a test costs what its conversation has cost.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from math import log
from typing import TYPE_CHECKING, Any, NamedTuple

from codemonkeys.report.resampling import GradedTask
from codemonkeys.selection.deciding import complete_ranking
from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.rules import EXECUTION, RULES
from codemonkeys.stages import TEST

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUMBERS = (1, 2, 3, 4, 6, 8, 10, 16, 24, 32)
LEVELS = 12
LIMITS = (0.05, 2.0)
"""Of a fitted power: a few noisy tasks may fit any."""


class Exponents(NamedTuple):
    """Powers of compute."""

    solve: float
    verify: float
    verify_from: int
    """Fewest samples at which the best pair has a test."""


def fit_exponents(tasks: Sequence[GradedTask], draws: int = 2, seed: int = 0) -> Exponents | None:
    """Fit both powers; None where the best pairs are too few, or tests cost nothing that is known."""
    import numpy as np

    known = [task for task in tasks if task.evidence is not None and task.evidence.own]
    most = max((len(task.trajectories) for task in known), default=0)
    samples = [number for number in NUMBERS if number <= most]
    tests = [0, *samples]
    if len(samples) < 3:
        return None
    resolved, cost = np.zeros((len(samples), len(tests))), np.zeros((len(samples), len(tests)))
    for task in known:
        dice = random.Random(f"{seed} {task.id}")
        for _ in range(draws):
            add_pairs(task, dice, samples, tests, resolved, cost)
    pairs = best_pairs(samples, tests, resolved, cost)
    with_tests = [pair for pair in pairs if pair[2]]
    if len({pair[1] for pair in with_tests}) < 2 or not np.ptp(cost[0]):
        return None
    compute = [log(spent) for spent, _, _ in with_tests]
    solve, verify = (
        float(np.clip(np.polyfit(compute, [log(pair[which]) for pair in with_tests], 1)[0], *LIMITS))
        for which in (1, 2)
    )
    return Exponents(round(solve, 3), round(verify, 3), min(pair[1] for pair in with_tests))


def add_pairs(
    task: GradedTask,
    dice: random.Random,
    samples: Sequence[int],
    tests: Sequence[int],
    resolved: NDArray[Any],
    cost: NDArray[Any],
) -> None:
    """Add what each pair comes to on a task, with candidates and tests in orders of their own."""
    assert task.evidence is not None
    solvers, writers = (dice.sample(task.trajectories, len(task.trajectories)) for _ in range(2))
    for i, drawn in enumerate(samples):
        kept = [each.candidate for each in solvers[:drawn] if each.candidate is not None]
        solved = sum(each.cost() - sum(each.usd.get(TEST.name, ())) for each in solvers[:drawn])
        for j, wanted in enumerate(tests):
            own = [task.evidence.own[each.candidate] for each in writers[:wanted] if each.candidate is not None]
            cost[i, j] += solved + sum(sum(each.usd.get(TEST.name, ())) for each in writers[:wanted])
            if kept:
                chosen = choose(judged_by(task.evidence, kept, sorted({test for test in own if test is not None})))
                resolved[i, j] += bool(task.verdicts[kept[chosen]])


def judged_by(evidence: Evidence, kept: Sequence[int], tests: Sequence[int]) -> Evidence:
    """Some candidates with the results of some tests, and nothing else that tells of them."""
    first: dict[int, int] = {}
    return Evidence(
        evidence.task,
        tuple(evidence.patches[k] for k in kept),
        tuple(first.setdefault(evidence.classes[k], n) for n, k in enumerate(kept)),
        original=tuple(evidence.original[test] for test in tests),
        edited=tuple(tuple(evidence.edited[k][test] for test in tests) for k in kept) if tests else (),
    )


def choose(evidence: Evidence) -> int:
    """The choice by tests, else by likeness."""
    ranking = RULES[EXECUTION].rank(evidence)
    return ranking.order[0] if ranking.order else complete_ranking(evidence, replace(ranking, order=()))[0]


def best_pairs(
    samples: Sequence[int], tests: Sequence[int], resolved: NDArray[Any], cost: NDArray[Any]
) -> list[tuple[float, int, int]]:
    """At rising costs, the cost and the pair that resolves most within it; of equal ones the cheapest."""
    import numpy as np

    found = []
    for level in np.geomspace(max(float(cost.min()), 1e-9), float(cost.max()), LEVELS):
        share = np.where(cost <= level * (1 + 1e-6), resolved, -1.0)
        i, j = min(np.argwhere(share == share.max()).tolist(), key=lambda pair: float(cost[tuple(pair)]))
        found.append((float(level), samples[i], tests[j]))
    return found

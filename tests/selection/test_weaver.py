"""Weaver's parts on evidence with known truth: scales of scores, clusters by difficulty, choice by all verifiers."""

from __future__ import annotations

import random
from dataclasses import replace
from statistics import fmean

import pytest

from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.rules import RULES
from codemonkeys.selection.weaver import bounds_of, easiness, estimate, scales_of, verify
from tests.selection.test_rules import patch, told


def task(
    number: int, right: float, dice: random.Random, rates: tuple[tuple[float, float], ...]
) -> tuple[Evidence, list[bool]]:
    """A task of ten candidates, so many of which are right; three verifiers accept right and wrong ones by these rates.

    They are a judge whose beliefs lie between 0.70 and 0.95, regression tests, and approval; eight tests of others tell
    how easy it is.
    """
    truth = [dice.random() < right for _ in range(10)]

    def votes(n: int) -> list[bool]:
        return [dice.random() < rates[n][0 if is_right else 1] for is_right in truth]

    row = "".join("+" if dice.random() < right else "-" for _ in range(8))
    patches = tuple(patch(f"a{number} b{n}") for n in range(10))
    of = Evidence(f"task {number}", patches, tuple(range(10)), original=told("-" * 8), edited=(told(row),) * 10)
    scores = tuple(0.85 + 0.1 * dice.random() if vote else 0.70 + 0.1 * dice.random() for vote in votes(0))
    breaks = tuple(0 if vote else 1 for vote in votes(1))
    return replace(of, scores=scores, regressions=3, breaks=breaks, approved=tuple(votes(2))), truth


RATES = ((0.85, 0.25), (0.9, 0.4), (0.8, 0.3))


def test_a_judge_that_believes_in_all_still_tells_them_apart() -> None:
    dice = random.Random(1)
    pool, truths = zip(*(task(n, 0.45, dice, RATES) for n in range(60)), strict=True)
    scales = scales_of(pool)
    low, high = scales["judge"]
    assert low == pytest.approx(0.70, abs=0.01) and high == pytest.approx(0.95, abs=0.01)
    votes = [row["judge"] for evidence in pool for row in verify(evidence, scales=scales)]
    flat = [is_right for truth in truths for is_right in truth]
    accepted = [fmean(vote for vote, right in zip(votes, flat, strict=True) if right is side) for side in (True, False)]
    assert accepted == pytest.approx([0.85, 0.25], abs=0.06)
    assert all(row["judge"] for evidence in pool for row in verify(evidence)), "as they are, all are accepted"
    names, known = estimate(pool)
    assert (
        known is not None and (known.tpr[names.index("judge")] or 0.0) > (known.fpr[names.index("judge")] or 1.0) + 0.4
    )


def test_tasks_are_estimated_apart_by_difficulty_where_there_are_enough() -> None:
    dice = random.Random(2)
    cases = [task(n, 0.15 if n % 2 else 0.75, dice, RATES) for n in range(120)]
    pool = [evidence for evidence, _ in cases]
    assert bounds_of(pool[:50]) == [] and len(bounds_of(pool)) == 2
    fitted = RULES["weaver"].fit(pool)
    rankings = [fitted.rank(evidence) for evidence in pool]
    hard = fmean(
        ranking.confidence for ranking, evidence in zip(rankings, pool, strict=True) if easiness(evidence) < 0.4
    )
    easy = fmean(
        ranking.confidence for ranking, evidence in zip(rankings, pool, strict=True) if easiness(evidence) > 0.6
    )
    assert easy > hard + 0.1, "the same votes mean less where few are right"
    reached = fmean(truth[ranking.order[0]] for ranking, (_, truth) in zip(rankings, cases, strict=True))
    by_judge = fmean(truth[RULES["judge"].rank(evidence).order[0]] for evidence, truth in cases)
    assert reached > by_judge + 0.02

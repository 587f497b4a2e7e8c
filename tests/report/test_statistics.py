"""Statistics of verdicts, against their vectors and against what they estimate."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.report.statistics import (
    Scored,
    bootstrap,
    bootstrap_of,
    coverage,
    discriminates,
    misleads,
    oracle,
    pass_at_k,
    random_score,
    recovery,
    score,
    true_rates,
)
from codemonkeys.selection.evidence import Evidence, Ranking, ScriptOutcome


@pytest.mark.parametrize(
    ("samples", "right", "k", "expected"),
    [(10, 3, 1, 0.3), (10, 3, 5, 0.916667), (10, 1, 5, 0.5), (20, 2, 10, 0.763158), (250, 4, 100, 0.872483)],
)
def test_pass_at_k_vectors(samples: int, right: int, k: int, expected: float) -> None:
    assert pass_at_k(samples, right, k) == pytest.approx(expected, abs=5e-7)


@given(st.integers(1, 7).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n), st.integers(1, n))))
def test_pass_at_k_is_the_share_of_all_draws(of: tuple[int, int, int]) -> None:
    samples, right, k = of
    draws = list(combinations(range(samples), k))
    assert pass_at_k(samples, right, k) == pytest.approx(sum(min(draw) < right for draw in draws) / len(draws))


def test_pass_at_k_is_not_defined_beyond_the_samples() -> None:
    for samples, right, k in ((5, 2, 6), (5, 6, 1), (5, 2, 0)):
        with pytest.raises(ValueError, match="not defined"):
            pass_at_k(samples, right, k)


def test_coverage_over_tasks() -> None:
    assert coverage([(10, 3), (10, 0)], 5).value == pytest.approx(0.916667 / 2, abs=1e-6)
    assert coverage([(2, 1), (0, 0)], 5).value == pytest.approx(0.5)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    import random

    held = 0
    for seed in range(200):
        dice = random.Random(seed)
        found = bootstrap([float(dice.random() < 0.3) for _ in range(100)], rounds=200, seed=seed)
        assert found.low <= found.value <= found.high
        held += found.low <= 0.3 <= found.high
    assert 0.88 < held / 200 <= 1.0
    with pytest.raises(ValueError, match="no task"):
        bootstrap([])


def test_recovery() -> None:
    """Table of the paper: 45.8 at random, 57.4 selected, 69.8 by the oracle."""
    assert recovery([Scored(0.458, 0.574, 0.698)]) == pytest.approx(0.483, abs=5e-4)
    assert recovery([Scored(0.0, 0.0, 0.0)]) == 0.0
    tasks = [Scored(0.5, 1.0, 1.0), Scored(0.5, 0.0, 1.0)] * 50
    found = bootstrap_of(tasks, recovery)
    assert found.value == 0.0 and found.low < -0.1 < 0.1 < found.high


@pytest.mark.parametrize(
    ("random", "selected", "oracle", "expected"),
    [
        (0.609, 0.662, 0.808, 0.27),
        (0.6133, 0.6640, 0.7000, 0.58),
        (0.5340, 0.6227, 0.6620, 0.69),
        (0.5140, 0.5900, 0.6300, 0.66),
        (0.5633, 0.6567, 0.7340, 0.55),
        (0.344, 0.510, 0.644, 0.55),
    ],
)
def test_recovery_of_published_systems(random: float, selected: float, oracle: float, expected: float) -> None:
    """The paper's ensemble, the four columns of Trae Agent (arXiv 2507.23370), and R2E-Gym (arXiv 2504.07164)."""
    assert recovery([Scored(random, selected, oracle)]) == pytest.approx(expected, abs=0.006)


def test_what_is_right() -> None:
    assert random_score([True, False, None, False]) == pytest.approx(1 / 3)
    assert random_score([None]) == 0.0
    assert oracle([None, True]) and not oracle([None, False])
    assert score(Ranking((1, 0), 1.0), [False, True])
    assert not score(Ranking((), 1.0), [True]) and not score(Ranking((0,), 1.0), [None])


def test_tests_that_discriminate_and_that_mislead() -> None:
    """The four ways that a test can take right and wrong candidates."""
    letters = {"+": ScriptOutcome.FIXED, "-": ScriptOutcome.PRESENT}
    rows = [tuple(letters[c] for c in row) for row in ("+-+-", "+-+-", "-++-")]
    evidence = Evidence("t", ("a", "b", "c"), (0, 1, 2), original=(ScriptOutcome.PRESENT,) * 4, edited=tuple(rows))
    verdicts = (True, None, False)
    assert [discriminates(evidence, test, verdicts) for test in range(4)] == [True, True, False, False]
    assert [misleads(evidence, test, verdicts) for test in range(4)] == [False, True, False, False]
    assert not discriminates(evidence, 0, (True, True, None)) and not misleads(evidence, 1, (None, None, False))


def test_true_rates_of_verifiers() -> None:
    votes: list[list[bool | None]] = [[True, None], [False, None], [True, None], [True, True]]
    assert true_rates(votes, [True, True, False, None]) == [(0.5, 1.0), (None, None)]
    assert true_rates([], []) == []

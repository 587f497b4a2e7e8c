"""The forecast of coverage, against reference values, exact sums, and tasks with known success rates."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codemonkeys.report.forecast import SuccessDistribution, fit, forecast, log_likelihood

PAPER = SuccessDistribution(0.252, 0.298)


def drawn(tasks: int, samples: int, chances: SuccessDistribution, seed: int = 0) -> list[tuple[int, int]]:
    """Samples and correct ones of simulated tasks, with success rates from the distribution."""
    dice = random.Random(seed)
    found = []
    for _ in range(tasks):
        chance = chances.ceiling * dice.betavariate(chances.alpha, chances.beta)
        found.append((samples, sum(dice.random() < chance for _ in range(samples))))
    return found


def _two_numbers(samples: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.just(samples), st.integers(0, samples))


@pytest.mark.parametrize(
    ("k", "expected"),
    [(1, 0.4582), (2, 0.5463), (5, 0.6412), (10, 0.6992), (20, 0.7476), (50, 0.7998), (100, 0.8319)],
)
def test_coverage_vectors(k: int, expected: float) -> None:
    assert PAPER.coverage(k) == pytest.approx(expected, abs=5e-5)


def test_fit_matches_the_paper() -> None:
    """Figure 5 of arXiv 2501.14723, eight turns, 1 to 10 samples."""
    measured = [45.8, 54.6, 59.1, 62.1, 64.2, 65.8, 67.1, 68.2, 69.0, 69.8]
    assert [100 * PAPER.coverage(k) for k in range(1, 11)] == pytest.approx(measured, abs=0.12)


@given(st.floats(0.2, 5), st.floats(0.2, 5), st.floats(0.1, 0.95), st.integers(1, 20).flatmap(_two_numbers))
def test_likelihood_equals_the_published_form(a: float, b: float, c: float, of: tuple[int, int]) -> None:
    """arXiv 2502.17578 writes it with a hypergeometric function, which cancels for many samples."""
    from scipy.special import beta, comb, hyp2f1

    samples, right = of
    published = comb(samples, right) * c**right * beta(right + a, b) / beta(a, b)
    published *= hyp2f1(right - samples, right + a, right + a + b, c)
    ours = np.exp(log_likelihood(SuccessDistribution(a, b, c), np.array([samples]), np.array([right]))[0])
    assert ours == pytest.approx(float(published), rel=1e-6)


@settings(deadline=None, max_examples=40)
@given(st.floats(0.1, 5), st.floats(0.1, 5), st.floats(0.05, 1), st.integers(1, 60))
def test_likelihoods_are_a_distribution(alpha: float, beta: float, ceiling: float, samples: int) -> None:
    right = np.arange(samples + 1)
    chances = np.exp(log_likelihood(SuccessDistribution(alpha, beta, ceiling), np.full(samples + 1, samples), right))
    assert chances.sum() == pytest.approx(1)
    assert (chances @ right) / samples == pytest.approx(ceiling * alpha / (alpha + beta))


def test_ceiling_is_fitted_if_the_tasks_have_one() -> None:
    known = SuccessDistribution(0.5, 1.0, 0.6)
    found = fit(drawn(800, 20, known))
    assert found.ceiling == pytest.approx(0.6, abs=0.1)
    assert found.coverage(200) == pytest.approx(known.coverage(200), abs=0.03)


def test_forecast_from_ten_samples_holds_at_a_hundred() -> None:
    counts = drawn(500, 10, PAPER)
    found = forecast(counts, [10, 20, 100], rounds=20)
    for k, interval in found.items():
        assert interval.low - 0.01 <= PAPER.coverage(k) <= interval.high + 0.01
        assert interval.low <= interval.value <= interval.high
    assert found[10].value == pytest.approx(sum(right > 0 for _, right in counts) / 500, abs=0.01)
    assert found[100].value - found[10].value > 0.1


def test_extremes() -> None:
    assert fit([(10, 0)] * 50).coverage(10) < 0.01
    assert fit([(10, 10)] * 50).coverage(1) > 0.99
    assert fit([(0, 0), (4, 2), (10, 5)]).coverage(1) == pytest.approx(0.5, abs=0.05)
    with pytest.raises(ValueError, match="no sample"):
        fit([(0, 0)])

"""Forecast of coverage at more samples than were drawn.

Method: "How do language monkeys get their power (laws)?", arXiv 2502.17578.

Each task has its own probability p that a sample is correct. Across tasks, p is distributed as `ceiling` times a Beta
variable, fitted by maximum likelihood to the counts of correct samples. Coverage at k is the mean of 1 - (1-p)^k.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codemonkeys.report.statistics import Interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROUNDS = 100
"""Bootstrap rounds for the intervals; each refits the distribution."""
_BOUNDS = ((-5.0, 6.0), (-5.0, 6.0), (-6.0, 6.0))
"""Of log alpha, log beta and the logit of the ceiling."""


@dataclass(frozen=True)
class SuccessDistribution:
    """Distribution over tasks of the probability that a sample is correct."""

    alpha: float
    beta: float
    ceiling: float = 1.0
    """Highest probability that a task can have."""

    def coverage(self, k: int) -> float:
        """Expected share of tasks with a correct one among k samples."""
        import numpy as np

        return float(1 - np.exp(log_likelihood(self, np.array([k]), np.array([0]))[0]))


def fit(counts: Sequence[tuple[int, int]]) -> SuccessDistribution:
    """Maximum-likelihood fit. `counts`: for each task, samples and correct ones.

    A ceiling below 1 is fitted only if it improves Akaike's criterion. Raises ValueError without a sample.
    """
    whole, cost = _fit(counts, [0.0, 0.0])
    scaled, scaled_cost = _fit(counts, [0.0, 0.0, 2.0])
    return scaled if scaled_cost + 1 < cost else whole


def forecast(
    counts: Sequence[tuple[int, int]], ks: Sequence[int], rounds: int = ROUNDS, seed: int = 0
) -> dict[int, Interval]:
    """Expected coverage at each k, with bootstrap intervals over tasks. Raises ValueError without a sample."""
    sampled = [task for task in counts if task[0]]
    best = fit(sampled)
    start = [0.0, 0.0] if best.ceiling == 1 else [0.0, 0.0, 2.0]
    dice = random.Random(seed)
    drawn = [_fit(dice.choices(sampled, k=len(sampled)), start)[0] for _ in range(rounds)]
    intervals = {}
    for k in ks:
        values = sorted(chances.coverage(k) for chances in drawn)
        intervals[k] = Interval(best.coverage(k), values[int(0.025 * rounds)], values[int(0.975 * rounds)])
    return intervals


def _fit(counts: Sequence[tuple[int, int]], start: list[float]) -> tuple[SuccessDistribution, float]:
    """Maximum-likelihood fit with one parameter per start value, and its negative log likelihood."""
    import numpy as np
    from scipy.optimize import minimize

    tasks = Counter((n, right) for n, right in counts if n)
    if not tasks:
        raise ValueError("no sample to fit the distribution to")
    samples, right = np.array(list(tasks)).T
    weights = np.array(list(tasks.values()))

    def cost(parameters: NDArray[Any]) -> float:
        return -float(weights @ log_likelihood(_distribution(parameters), samples, right))

    done = minimize(cost, start, method="L-BFGS-B", bounds=_BOUNDS[: len(start)])
    return _distribution(done.x), float(done.fun)


def _distribution(parameters: NDArray[Any]) -> SuccessDistribution:
    from math import exp

    ceiling = 1 / (1 + exp(-parameters[2])) if len(parameters) > 2 else 1.0
    return SuccessDistribution(exp(parameters[0]), exp(parameters[1]), ceiling)


def log_likelihood(chances: SuccessDistribution, samples: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    """Log probability of each task's number of correct samples.

    With a ceiling below 1 it is a mixture of Beta-binomials, over the number of incorrect samples that passed the
    ceiling. All terms are positive, which avoids the cancellation of the closed form (a hypergeometric function).
    """
    import numpy as np
    from scipy.special import betaln, gammaln, logsumexp

    def ways(all: NDArray[Any], some: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(gammaln(all + 1) - gammaln(some + 1) - gammaln(all - some + 1))

    wrong, ceiling = samples - right, chances.ceiling
    beta = betaln(chances.alpha, chances.beta)
    if ceiling == 1:
        return np.asarray(ways(samples, right) + betaln(chances.alpha + right, chances.beta + wrong) - beta)
    let, all = np.arange(wrong.max() + 1)[None, :], wrong[:, None]
    stopped = np.maximum(all - let, 0)
    terms = ways(all, np.minimum(let, all)) + let * np.log(ceiling) + stopped * np.log1p(-ceiling)
    terms = terms + betaln(chances.alpha + right[:, None], chances.beta + let) - beta
    mixed = logsumexp(np.where(let <= all, terms, -np.inf), axis=1)
    return np.asarray(ways(samples, right) + right * np.log(ceiling) + mixed)

"""Coverage at more samples than were drawn. "How do language monkeys get their power (laws)?", arXiv 2502.17578.

Each task has its own chance p that a sample is right. Over tasks p is distributed as `ceiling` times a Beta variable,
fitted by maximum likelihood to how many samples were right. Coverage at k samples is then the mean of 1 - (1-p)^k.
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
"""Resamplings of tasks for the intervals; each is a fit of its own."""
_BOUNDS = ((-5.0, 6.0), (-5.0, 6.0), (-6.0, 6.0))
"""Of log alpha, log beta and the logit of the ceiling."""


@dataclass(frozen=True)
class Chances:
    """How the chance of a right sample is distributed over tasks."""

    alpha: float
    beta: float
    ceiling: float = 1.0
    """The highest chance that a task can have."""

    def coverage(self, k: int) -> float:
        """Share of tasks that are expected to have a right one among k samples."""
        import numpy as np

        return float(1 - np.exp(log_likelihood(self, np.array([k]), np.array([0]))[0]))


def fit(counts: Sequence[tuple[int, int]]) -> Chances:
    """The most likely distribution. `counts`: for each task, samples and right ones.

    A ceiling below 1 is taken only where it pays for itself (Akaike's criterion). Raises ValueError without a sample.
    """
    whole, cost = _fitted(counts, [0.0, 0.0])
    scaled, scaled_cost = _fitted(counts, [0.0, 0.0, 2.0])
    return scaled if scaled_cost + 1 < cost else whole


def forecast(
    counts: Sequence[tuple[int, int]], ks: Sequence[int], rounds: int = ROUNDS, seed: int = 0
) -> dict[int, Interval]:
    """Expected coverage at each k, with intervals over resampled tasks. Raises ValueError without a sample."""
    tried = [task for task in counts if task[0]]
    best = fit(tried)
    start = [0.0, 0.0] if best.ceiling == 1 else [0.0, 0.0, 2.0]
    dice = random.Random(seed)
    drawn = [_fitted(dice.choices(tried, k=len(tried)), start)[0] for _ in range(rounds)]
    found = {}
    for k in ks:
        values = sorted(chances.coverage(k) for chances in drawn)
        found[k] = Interval(best.coverage(k), values[int(0.025 * rounds)], values[int(0.975 * rounds)])
    return found


def _fitted(counts: Sequence[tuple[int, int]], start: list[float]) -> tuple[Chances, float]:
    """The most likely distribution with as many parameters as the start has, and minus its log likelihood."""
    import numpy as np
    from scipy.optimize import minimize

    tasks = Counter((n, right) for n, right in counts if n)
    if not tasks:
        raise ValueError("there is no sample to learn from")
    samples, right = np.array(list(tasks)).T
    weights = np.array(list(tasks.values()))

    def cost(parameters: NDArray[Any]) -> float:
        return -float(weights @ log_likelihood(_chances(parameters), samples, right))

    done = minimize(cost, start, method="L-BFGS-B", bounds=_BOUNDS[: len(start)])
    return _chances(done.x), float(done.fun)


def _chances(parameters: NDArray[Any]) -> Chances:
    from math import exp

    ceiling = 1 / (1 + exp(-parameters[2])) if len(parameters) > 2 else 1.0
    return Chances(exp(parameters[0]), exp(parameters[1]), ceiling)


def log_likelihood(chances: Chances, samples: NDArray[Any], right: NDArray[Any]) -> NDArray[Any]:
    """For each task the log of the chance of so many right samples.

    Below the ceiling it is a mixture of Beta-binomials, over how many of the wrong samples the ceiling let through. All
    its terms are positive, so nothing cancels, as it does in the form with a hypergeometric function.
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

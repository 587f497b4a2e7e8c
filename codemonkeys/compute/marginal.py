"""Waves go where a dollar is expected to gain most, over all tasks of a run.

Each task's probability of success has a posterior: the prior over kinds of tasks (a Beta distribution by its deciles,
as in arXiv 2502.17578), updated by how many samples tests accepted. Easy tasks so get few samples and hard ones more,
as "Scaling LLM Test-Time Compute Optimally", arXiv 2408.03314, allocates by difficulty. Not taken from it: difficulty
by a reward model or by labels, and the split between revisions and parallel samples. Ours: the marginal price. The
budget that is left is spent on paper, greedily over all tasks; a task draws another wave if that wave is bought.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import inf

from codemonkeys.compute.base import STOP, Allocation, Counts, PolicyInput
from codemonkeys.compute.beliefs import count_supported, expected_gain, predicted
from codemonkeys.selection.stop_policy import Decision, StopPolicy


def marginal(given: PolicyInput) -> Allocation:
    """Another wave if it gains enough per dollar; else the choice."""
    wave, accepted = given.next_wave, count_supported(given.evidence)
    if not wave:
        return STOP
    gain = expected_gain(given.forecast, given.drawn, accepted, wave)
    standing = Counter([*given.others, Counts(given.drawn, accepted)])
    least = 0.0
    if given.left is not None and given.sample_cost > 0:
        size, most = given.generation.wave or wave, given.generation.samples
        affordable = given.left / given.sample_cost
        least = least_gain(given.forecast, standing, given.waiting, affordable, size, most)
    each = gain / wave
    numbers = {"accepted": accepted, "gain": round(each, 6), "needed": round(max(least, given.forecast.cost), 6)}
    pays = gain > 0 and each >= least and each > given.forecast.cost
    return Allocation(Decision.ANOTHER_WAVE if pays else Decision.STOP, wave if pays else 0, numbers=numbers)


def least_gain(
    forecast: StopPolicy, standing: Mapping[Counts, int], waiting: int, affordable: float, wave: int, most: int
) -> float:
    """Gain per sample that a wave needs to be bought when the best are bought first; 0 if all can be.

    `standing`: number of tasks at each count. `waiting`: tasks without a sample, each of which gets its first wave
    before. `affordable`: samples that the money buys. `wave`, `most`: samples per wave and per task.
    """
    affordable -= waiting * wave
    if affordable < 0:
        return inf
    beginning = {
        Counts(wave, taken): waiting * chance for taken, chance in enumerate(predicted(forecast, 0, 0, wave)) if waiting
    }
    offers: list[tuple[float, float]] = []
    for (drawn, accepted), number in [*standing.items(), *beginning.items()]:
        reached = float(number)
        while drawn < most and (gain := expected_gain(forecast, drawn, accepted, size := min(wave, most - drawn))) > 0:
            offers.append((gain / size, reached * size))
            # Once some are accepted, what a wave after the next one gains depends on the next one.
            reached *= 0.0 if accepted else predicted(forecast, drawn, accepted, size)[0]
            drawn += size
    for gain, samples in sorted(offers, reverse=True):
        affordable -= samples
        if affordable < 0:
            return gain
    return 0.0

"""Each wave goes on from candidates of the one before, drawn by what tests say of them.

Particle filtering as in "A Probabilistic Inference Approach to Inference-Time Scaling of LLMs", arXiv 2502.01618.
Taken: weights are a softmax of scores, and the next generation is resampled by them, so that good candidates have
several successors and weak ones may still have one. Not taken: a process reward model; steps of a text as particles.
Here particles are candidates, and a successor is a trajectory that begins anew and is told of its parent. Ours: scores
are shares of passed tests, and resampling is systematic with a fixed offset, so that a resumed run draws the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from codemonkeys.compute.base import STOP, Allocation, PolicyInput
from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.rules_base import passed, valid_tests
from codemonkeys.selection.stop_policy import Decision

TEMPERATURE = 0.25
"""Of the softmax: a candidate that passes all tests has 55 times the weight of one that passes none."""


def particles(given: PolicyInput) -> Allocation:
    """Another wave, each trajectory with its parent, until all samples are drawn."""
    wave = given.next_wave
    if not wave:
        return STOP
    if given.evidence is None:
        return Allocation(Decision.ANOTHER_WAVE, wave)
    scores = scores_of(given.evidence)
    parents = resample([math.exp(score / TEMPERATURE) for score in scores], wave)
    return Allocation(Decision.ANOTHER_WAVE, wave, parents=parents, numbers={"best": round(max(scores), 4)})


def scores_of(evidence: Evidence) -> list[float]:
    """For each candidate the share of valid tests that it passes; halved if it breaks tests of the repository."""
    tests = valid_tests(evidence) if evidence.edited else []
    shares = [passed(evidence, k, tests) / len(tests) if tests else 0.0 for k in range(len(evidence.patches))]
    return [share / 2 if evidence.breaks and evidence.breaks[k] != 0 else share for k, share in enumerate(shares)]


def resample(weights: Sequence[float], count: int) -> tuple[int, ...]:
    """Systematic resampling: positions in proportion to their weights, each within one of its expectation."""
    total, reached, drawn = sum(weights), 0.0, list[int]()
    for position, weight in enumerate(weights):
        reached += weight / total * count
        drawn += [position] * (math.ceil(reached - 0.5 - 1e-9) - len(drawn))
    return tuple(drawn + [len(weights) - 1] * (count - len(drawn)))

"""Until a candidate is trusted, or no more samples pay: Inference Scaling fLaws, arXiv 2411.17501.

Taken: the value of drawing on by types of tasks and an imperfect verifier, and abstention. Not taken: the notebook's
double discount, and drawing one sample at a time. Ours: what is submitted is the best of all samples, not the first
accepted one, so it is trusted by both counts. The formulas are in `codemonkeys.selection.stop_policy`.
"""

from __future__ import annotations

from codemonkeys.compute.base import Allocation, PolicyInput
from codemonkeys.compute.beliefs import belief, count_accepted


def stop(given: PolicyInput) -> Allocation:
    """Another wave, the choice of a candidate that is trusted, or abstention."""
    accepted = count_accepted(given.evidence) if given.evidence else 0
    best, wave = belief(given.forecast, given.drawn, accepted), given.next_wave or 1
    decision = given.forecast.decide(best, given.drawn, wave, given.generation.samples)
    numbers = {"accepted": accepted, "belief": round(best, 4), "needed": round(given.forecast.trusted, 4)}
    return Allocation(decision, wave, numbers=numbers)

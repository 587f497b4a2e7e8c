"""Samples against verifications: "When To Solve, When To Verify", arXiv 2504.01005.

The paper finds, for a generative verifier, that solving alone is better until roughly 8 times the compute, and that
from there solutions grow with power 0.57 of compute and verifications of each with power 0.39. Taken: both, so that V
verifications go with S samples where V = (S / 8) ** (0.39 / 0.57), and none before. Not taken: a judge as the only
verifier. Ours: a verification is a test conversation more, whose script then runs on every candidate, and at the end a
vote more of the judges that the selection rule asks. R2E-Gym (arXiv 2504.07164) finds executed tests cheaper than
candidates from 16 on; a lower `compute.verify_from` says so.
"""

from __future__ import annotations

from codemonkeys.compute.base import Allocation, PolicyInput
from codemonkeys.selection.stop_policy import Decision
from codemonkeys.settings import ComputeSettings


def solve_or_verify(given: PolicyInput) -> Allocation:
    """Another wave with the tests that go with it, until samples or money end; then as many votes."""
    wave = min(given.next_wave, affordable(given))
    wanted = verifications(given.drawn + wave, given.compute)
    tests = max(0, wanted - given.tests)
    numbers = {"verifications": wanted}
    if not wave and not tests:
        return Allocation(Decision.STOP, votes=1 + wanted, numbers=numbers)
    return Allocation(Decision.ANOTHER_WAVE, wave, tests=tests, numbers=numbers)


def verifications(samples: int, settings: ComputeSettings) -> int:
    """Verifications that go with a number of samples."""
    if samples < settings.verify_from:
        return 0
    wanted = (samples / settings.verify_from) ** (settings.verify_exponent / settings.solve_exponent)
    return min(settings.verifications, int(wanted))


def affordable(given: PolicyInput) -> int:
    """Samples that an equal part of what is left over all open tasks buys."""
    if given.left is None or given.sample_cost <= 0:
        return given.generation.samples
    return int(given.left / (1 + len(given.others) + given.waiting) / given.sample_cost)

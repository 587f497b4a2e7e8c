"""A task ends once enough of its trajectories have ended and agree; those that still run are stopped.

First Finish Search, arXiv 2505.18149, returns the answer that ends first; short-m@k, arXiv 2505.17813, the majority of
the m that end first. Taken: not to wait for stragglers. Not taken: to trust whatever ends first, as an early approval
is a known mistake of such trajectories. Ours: so many must be accepted by tests and behave alike, or, where no test is
valid, be approved by their own trajectories and equivalent.
"""

from __future__ import annotations

from collections import Counter

from codemonkeys.compute.base import Allocation, PolicyInput
from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.rules_base import is_accepted, valid_tests
from codemonkeys.selection.rules_tests import behaviour_classes
from codemonkeys.selection.stop_policy import Decision


def first_finish(given: PolicyInput) -> Allocation:
    """The choice once enough agree, else what is left of the samples."""
    agreeing = most_agreeing(given.evidence) if given.evidence else 0
    numbers = {"agreeing": agreeing, "needed": given.compute.agreeing, "running": given.running}
    if agreeing >= given.compute.agreeing or not given.next_wave:
        return Allocation(Decision.STOP, numbers=numbers)
    return Allocation(Decision.ANOTHER_WAVE, given.next_wave, numbers=numbers)


def most_agreeing(evidence: Evidence) -> int:
    """Size of the largest group of accepted candidates with one behaviour."""
    approved = evidence.approved or (True,) * len(evidence.patches)
    if valid_tests(evidence):
        group, taken = behaviour_classes(evidence), [is_accepted(evidence, k) for k in range(len(approved))]
    else:
        group, taken = evidence.classes, list(approved)
    return max(Counter(first for first, fits in zip(group, taken, strict=True) if fits).values(), default=0)

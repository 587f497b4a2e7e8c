"""Which tasks to abstain on, by a rule's own confidence and without labels."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby


def least_sure(confidences: Mapping[str, float], share: float) -> dict[str, float]:
    """The tasks to abstain on, with their confidences: this share of all, the least sure first. Needs no label.

    Tasks of equal confidence go together, and are kept where they are too many.
    """
    most = int(share * len(confidences) + 1e-9)
    chosen: dict[str, float] = {}
    for _, group in groupby(
        sorted(confidences, key=lambda task: (confidences[task], task)), key=confidences.__getitem__
    ):
        tasks = list(group)
        if len(chosen) + len(tasks) > most:
            break
        chosen |= {task: confidences[task] for task in tasks}
    return chosen

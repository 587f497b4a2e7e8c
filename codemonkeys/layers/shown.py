"""Candidates as layers show them to models: the patch, what tests say, and the critique."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codemonkeys.engine.work import Work
from codemonkeys.selection.collect_evidence import SelectionInput
from codemonkeys.selection.evolving import results_of
from codemonkeys.stages import CRITIQUE

CHARACTERS = 40_000
"""Of patches and outputs that a message shows, in all."""
CRITIQUE_NOTE = "critique"
"""Kind of the note that holds a critique."""


def critique_of(work: Work, sample: int) -> dict[str, str] | None:
    """The stored critique of a trajectory's candidate; None if it has none."""
    found: dict[str, str] | None = work.journal.note(work.task.id, CRITIQUE.name, sample, CRITIQUE_NOTE)
    return found


def shown(work: Work, inputs: SelectionInput, order: Sequence[int]) -> list[dict[str, Any]]:
    """Distinct candidates in an order, numbered by their places in it."""
    samples = {numbered.number - 1: numbered.candidate.sample for numbered in inputs.matrix.candidates}
    share = CHARACTERS // (2 * max(1, len(order)))
    return [
        {
            "number": place,
            **results_of(work, inputs, index, share),
            "critique": critique_of(work, samples[index]),
        }
        for place, index in enumerate(order, 1)
    ]

"""The fuser: one more trajectory gets the best candidates with their evidence, and merges them into one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from codemonkeys.context.choosing import ContextFile
from codemonkeys.engine.work import Work
from codemonkeys.errors import BudgetReached, FilteredAnswer, RejectedRequest
from codemonkeys.generation.candidate import FUSED, Candidate
from codemonkeys.generation.editing import write_edit
from codemonkeys.generation.testing import TestScript
from codemonkeys.layers.shown import shown
from codemonkeys.selection.collect_evidence import SelectionInput
from codemonkeys.selection.conversation import touched_files
from codemonkeys.stages import FUSE

PARENTS = "parents"
"""Kind of the note that says which samples a trajectory merges."""
WITHOUT = "without"
"""Kind of the note of one that came to no candidate."""


async def fuse(
    work: Work, inputs: SelectionInput, order: Sequence[int], sample: int, context: Sequence[ContextFile]
) -> Candidate | None:
    """A candidate merged from the first of an order; None if it comes to none.

    `sample`: its number. One that came to none is not asked for again: the selection has gone on without it.
    """
    if work.journal.note(work.task.id, FUSE.name, sample, WITHOUT):
        return None
    best = order[: work.settings.generation.fuse_best]
    samples = {numbered.number - 1: numbered.candidate.sample for numbered in inputs.matrix.candidates}
    await work.note(FUSE, PARENTS, [samples[index] for index in best], sample)
    files = context or touched_files(work, [inputs.evidence.patches[index] for index in best])
    told = work.prompts("fuse.user", candidates=shown(work, inputs, best))
    try:
        made = await write_edit(work, sample, files, test_of(inputs, best), told, FUSE)
    except (BudgetReached, FilteredAnswer, RejectedRequest) as error:
        work.give_up(FUSE, sample, error)
        made = None
    if made is None:
        await work.note(FUSE, WITHOUT, True, sample)
        return None
    return replace(made, source=f"{FUSED}{made.source}", family=made.source)


def test_of(inputs: SelectionInput, best: Sequence[int]) -> TestScript | None:
    """The first valid test that one of these candidates brought, that of the best one first; None if there is none."""
    matrix, own = inputs.matrix, inputs.evidence.own
    tests = [test for index in best if (test := own[index]) is not None and matrix.valid(test)]
    return TestScript(matrix.tests[tests[0]], matrix.original[tests[0]], approved=True) if tests else None

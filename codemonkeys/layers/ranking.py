"""The ranker: one call puts the candidates in order."""

from __future__ import annotations

from collections.abc import Sequence

from codemonkeys.engine.work import Work
from codemonkeys.layers.shown import shown
from codemonkeys.selection.collect_evidence import SelectionInput
from codemonkeys.selection.conversation import touched_files
from codemonkeys.selection.orders import ask_for_order
from codemonkeys.stages import RERANK

RANKING = "ranking"
"""Kind of the note that holds a ranking: samples, the best first."""


async def rerank(work: Work, inputs: SelectionInput, order: Sequence[int], number: int) -> list[int]:
    """Distinct candidates in the order that a model gives them; as they were if it gives none.

    `order`: by tests. The model sees them shuffled. `number`: of the layer, from 1. One for which there was no money is
    not asked for again: layers have gone on without it.
    """
    if work.has_ended_early(RERANK, number):
        return list(order)
    system = work.prompts("rerank.system", files=touched_files(work, [inputs.evidence.patches[i] for i in order]))

    def told(shuffled: Sequence[int]) -> str:
        return work.prompts("rerank.user", candidates=shown(work, inputs, shuffled))

    ranked = await ask_for_order(work, RERANK, number, system, order, told, f"{work.task.id} {number}")
    if not ranked:
        return list(order)
    samples = {numbered.number - 1: numbered.candidate.sample for numbered in inputs.matrix.candidates}
    await work.note(RERANK, RANKING, [samples[index] for index in ranked], number)
    return ranked

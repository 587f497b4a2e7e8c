"""The ranker: one call puts the candidates in order."""

from __future__ import annotations

import random
from collections.abc import Sequence

from codemonkeys.context.json_arrays import parse_numbers
from codemonkeys.engine.conversation import WITH_REPAIR, Conversation
from codemonkeys.engine.work import Work
from codemonkeys.errors import BudgetReached, FilteredAnswer, RejectedRequest
from codemonkeys.layers.shown import shown
from codemonkeys.selection.collect_evidence import SelectionInput
from codemonkeys.selection.conversation import touched_files
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
    shuffled = list(order)
    random.Random(f"{work.task.id} {number}").shuffle(shuffled)
    system = work.prompts("rerank.system", files=touched_files(work, [inputs.evidence.patches[i] for i in order]))
    talk = Conversation(work, RERANK, number, system, WITH_REPAIR, 0.0, work.settings.selection.max_tokens)

    def parse(answer: str) -> list[int]:
        return parse_numbers(answer, len(shuffled))

    def repair(problem: str) -> str:
        return work.prompts("rerank.repair", problem=problem, count=len(shuffled))

    message = work.prompts("rerank.user", candidates=shown(work, inputs, shuffled))
    try:
        found = await talk.ask(message, parse, repair)
    except (BudgetReached, FilteredAnswer, RejectedRequest) as error:
        work.give_up(RERANK, number, error)
        found = None
    if found is None:
        return list(order)
    ranked = [shuffled[place - 1] for place in found]
    samples = {numbered.number - 1: numbered.candidate.sample for numbered in inputs.matrix.candidates}
    await work.note(RERANK, RANKING, [samples[index] for index in ranked], number)
    return ranked

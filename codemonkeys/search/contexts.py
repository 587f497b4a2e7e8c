"""Several context choices for one task, of which a judge keeps the best, or the executions of first edits do."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from codemonkeys.context.choosing import Chosen, ContextFile, choose_by, choose_context, files_of, settle
from codemonkeys.context.ranking import rank
from codemonkeys.context.relevance import RelevantFile, find_relevant
from codemonkeys.engine.decided import note_decided, noted
from codemonkeys.engine.work import Work
from codemonkeys.journal.decisions import CONTEXTS
from codemonkeys.search.judging import in_judged_order
from codemonkeys.stages import PRUNE

CHOICES = "choices"
"""Kind of the note that holds the files of each context choice, in the order of their numbers."""
FOR_CONTEXTS = 0
"""Sample of the judge's conversations about contexts."""


async def choose_contexts(work: Work) -> list[Sequence[ContextFile]]:
    """The files of each context choice that is kept so far, the best first; at least one, which may be empty.

    The first of them is the task's context wherever there can be only one.
    """
    relevant, search = await find_relevant(work), work.settings.search
    if search.contexts == 1 or len(relevant) < 2:
        return [await choose_context(work, relevant)]
    async with asyncio.TaskGroup() as group:
        usual = group.create_task(rank(work, relevant))
        others = group.create_task(rank(work, relevant, others=True))
    ways = [usual.result(), *([ranking] for ranking in others.result())]
    choices: dict[frozenset[str], tuple[Chosen, list[list[str]]]] = {}
    for way in ways:
        chosen = await choose_by(work, relevant, way)
        choices.setdefault(frozenset(chosen.paths), (chosen, way))
    drawn = list(choices.values())
    await work.note(PRUNE, CHOICES, [list(chosen.paths) for chosen, _ in drawn])
    kept = await keep(work, relevant, [chosen for chosen, _ in drawn])
    first, rankings = drawn[kept[0]]
    return [await settle(work, relevant, rankings, first), *(files_of(work, drawn[n][0]) for n in kept[1:])]


async def keep(work: Work, relevant: Sequence[RelevantFile], choices: Sequence[Chosen]) -> list[int]:
    """Numbers of the context choices that are kept, the best first; all in their order where edits are to decide."""
    search, order = work.settings.search, list(range(len(choices)))
    if search.prune == "executions" or len(order) <= search.keep_contexts:
        return order
    kept: list[int] | None = noted(work, CONTEXTS, 0)
    if kept is None:
        listed = {path for chosen in choices for path in chosen.paths}
        system = work.prompts("choices.system", files=[file for file in relevant if file.path in listed])

        def told(order: Sequence[int]) -> str:
            shown = [
                {
                    "number": place,
                    "paths": choices[n].paths,
                    "tokens": sum(choices[n].tokens[path] for path in choices[n].paths),
                }
                for place, n in enumerate(order, 1)
            ]
            return work.prompts("choices.user", choices=shown)

        kept = (await in_judged_order(work, FOR_CONTEXTS, system, order, told))[: search.keep_contexts]
    await note_decided(work, CONTEXTS, 0, kept)
    return kept

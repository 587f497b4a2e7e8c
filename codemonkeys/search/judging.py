"""Orders by votes of a judge, each over a differently shuffled list."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from codemonkeys.context.json_arrays import parse_numbers
from codemonkeys.engine.conversation import WITH_REPAIR, Conversation
from codemonkeys.engine.work import Work
from codemonkeys.errors import BudgetReached, FilteredAnswer, RejectedRequest
from codemonkeys.stages import PRUNE


async def in_judged_order(
    work: Work, sample: int, system: str, items: Sequence[int], told: Callable[[Sequence[int]], str]
) -> list[int]:
    """Items by their mean place in all usable votes, the best first; of equal ones, and without a vote, as given.

    `sample`: of the conversations. `told`: the message that shows items in an order.
    """
    async with asyncio.TaskGroup() as group:
        asked = [
            group.create_task(vote(work, sample, number, system, items, told))
            for number in range(work.settings.search.votes)
        ]
    votes = [order for task in asked if (order := task.result())]
    return sorted(items, key=lambda item: sum(order.index(item) for order in votes))


async def vote(
    work: Work, sample: int, number: int, system: str, items: Sequence[int], told: Callable[[Sequence[int]], str]
) -> list[int]:
    """The order of one vote; empty if it comes to none."""
    shuffled = list(items)
    random.Random(f"{work.task.id} {PRUNE} {sample} {number}").shuffle(shuffled)
    talk = Conversation(
        *(work, PRUNE, sample, system, WITH_REPAIR, 0.0, work.settings.selection.max_tokens),
        gate=work.gate(f"{PRUNE} {sample}"),
        first_turn=number * WITH_REPAIR,
    )

    def parse(answer: str) -> list[int]:
        return parse_numbers(answer, len(shuffled))

    def repair(problem: str) -> str:
        return work.prompts("prune.repair", problem=problem, count=len(shuffled))

    try:
        places = await talk.ask(told(shuffled), parse, repair)
    except (BudgetReached, FilteredAnswer, RejectedRequest) as error:
        work.give_up(PRUNE, sample, error)
        return []
    return [shuffled[place - 1] for place in places or ()]

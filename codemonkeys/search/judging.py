"""Orders by votes of a judge, each over a differently shuffled list."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from codemonkeys.engine.conversation import WITH_REPAIR
from codemonkeys.engine.work import Work
from codemonkeys.selection.orders import ask_for_order
from codemonkeys.stages import PRUNE


async def in_judged_order(
    work: Work, sample: int, system: str, items: Sequence[int], told: Callable[[Sequence[int]], str]
) -> list[int]:
    """Items by their mean place in all usable votes, the best first; of equal ones, and without a vote, as given.

    `sample`: of the conversations. `told`: the message that shows items in an order.
    """
    async with asyncio.TaskGroup() as group:
        asked = [
            group.create_task(
                ask_for_order(
                    *(work, PRUNE, sample, system, items, told, f"{work.task.id} {PRUNE} {sample} {number}"),
                    gate=work.gate(f"{PRUNE} {sample}"),
                    first_turn=number * WITH_REPAIR,
                )
            )
            for number in range(work.settings.search.votes)
        ]
    votes = [order for task in asked if (order := task.result())]
    return sorted(items, key=lambda item: sum(order.index(item) for order in votes))

"""Has a model put numbered items in order."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from codemonkeys.context.json_arrays import parse_numbers
from codemonkeys.engine.conversation import WITH_REPAIR, Conversation
from codemonkeys.engine.prefix_gate import PrefixGate
from codemonkeys.engine.work import Work
from codemonkeys.errors import BudgetReached, FilteredAnswer, RejectedRequest
from codemonkeys.stages import Stage


async def ask_for_order(
    work: Work,
    stage: Stage,
    sample: int,
    system: str,
    items: Sequence[int],
    told: Callable[[Sequence[int]], str],
    seed: str,
    gate: PrefixGate | None = None,
    first_turn: int = 0,
) -> list[int]:
    """Items in the order of one conversation, the best first; empty if it comes to none, which is noted.

    `told`: the message that numbers items from 1 in an order. The model sees them shuffled, by `seed`: the first is no
    better than the last. `gate`, `first_turn`: see `Conversation`.
    """
    shuffled = list(items)
    random.Random(seed).shuffle(shuffled)
    talk = Conversation(
        *(work, stage, sample, system, WITH_REPAIR, 0.0, work.settings.selection.max_tokens), gate, first_turn
    )

    def parse(answer: str) -> list[int]:
        return parse_numbers(answer, len(shuffled))

    def repair(problem: str) -> str:
        return work.prompts(f"{stage.name}.repair", problem=problem, count=len(shuffled))

    try:
        places = await talk.ask(told(shuffled), parse, repair)
    except (BudgetReached, FilteredAnswer, RejectedRequest) as error:
        work.give_up(stage, sample, error)
        return []
    return [shuffled[place - 1] for place in places or ()]

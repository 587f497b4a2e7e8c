"""Evidence that costs model calls: a judge's belief in each candidate, and ballots that choose among some."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Sequence

from codemonkeys.engine.conversation import Conversation, UnusableAnswer
from codemonkeys.engine.work import Work
from codemonkeys.errors import BudgetReached, FilteredAnswer, RejectedRequest
from codemonkeys.selection.collect_evidence import SelectionInput
from codemonkeys.selection.conversation import ConversationKey, converse, example_test, finalists_of, touched_files
from codemonkeys.stages import BALLOT, JUDGE

_BELIEF = re.compile(r"^\W*(yes|no)\W*$", re.I | re.M)


async def judge_candidates(work: Work, gathered: SelectionInput, shortlist: Sequence[int]) -> dict[int, float | None]:
    """A judge's belief in each candidate of a shortlist, from 0 to 1; None without a usable answer.

    The share of yes among repeated answers stands for the probability of the word, which not every API tells
    (R2E-Gym, arXiv 2504.07164, section 4, scores by that probability). Raises BudgetReached and what ends a task.
    """
    candidates = {n.number - 1: n.candidate for n in gathered.matrix.candidates}
    files = touched_files(work, [candidate.patch for candidate in candidates.values()])
    system = work.prompts("judge.system", files=files)
    async with asyncio.TaskGroup() as group:
        asked = {
            index: [
                group.create_task(believe(work, system, index + 1, candidates[index].patch, repetition))
                for repetition in range(work.settings.selection.judge_samples)
            ]
            for index in shortlist
        }
    beliefs: dict[int, float | None] = {}
    for index, tasks in asked.items():
        told = [task.result() for task in tasks]
        for answer in told:
            if isinstance(answer, BudgetReached):
                raise answer  # candidates that nobody was asked about cannot be compared with the others
        answers = [answer for answer in told if isinstance(answer, bool)]
        beliefs[index] = sum(answers) / len(answers) if answers else None
    await work.signals({"belief": {index + 1: (belief, "") for index, belief in beliefs.items()}})
    return beliefs


async def believe(work: Work, system: str, number: int, patch: str, repetition: int) -> bool | BudgetReached | None:
    """Whether the judge believes in a candidate; None if its answer does not say."""
    settings = work.settings
    talk = Conversation(
        *(work, JUDGE, number, system, 1, settings.generation.temperature, settings.selection.max_tokens),
        gate=work.gate("judge"),
        first_turn=repetition,
    )

    def parse(answer: str) -> bool:
        words = _BELIEF.findall(answer)
        if not words:
            raise UnusableAnswer("it says neither yes nor no.")
        return str(words[-1]).lower() == "yes"

    try:
        return await talk.ask(work.prompts("judge.user", patch=patch), parse)
    except BudgetReached as error:
        return error
    except (FilteredAnswer, RejectedRequest):
        return None


async def vote_by_ballots(work: Work, gathered: SelectionInput, shortlist: Sequence[int]) -> tuple[int | None, ...]:
    """What each ballot chose: a position of a candidate, or None for none of them. Those without a choice are left out.

    Each ballot is a selection conversation that sees the candidates in another order; they end as soon as one choice
    has more than half of all. Trae Agent (arXiv 2507.23370), section 3.3; order and refusal are ours.
    """
    most = work.settings.selection.ballots
    finalists = finalists_of(gathered, shortlist)
    example = example_test(gathered, shortlist[0])
    chosen: list[int | None] = []
    recorded: dict[int, tuple[float | None, str]] = {}
    for ballot in range(most):
        order = list(finalists)
        random.Random(f"{work.task.id} {ballot}").shuffle(order)
        place = ConversationKey(BALLOT, ballot, work.settings.generation.temperature, may_refuse=True)
        try:
            number = await converse(work, gathered, order, example, place)
        except (FilteredAnswer, RejectedRequest):
            continue
        if number is None:
            continue
        chosen.append(number - 1 if number else None)
        recorded[ballot] = (float(number) if number else None, "")
        if max(Counter(chosen).values()) > most / 2:
            break
    await work.signals({"ballot": recorded})
    return tuple(chosen)

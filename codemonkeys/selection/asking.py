"""Evidence from model calls: a judge's belief in each candidate, and ballots on the shortlist."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from collections.abc import Sequence

from codemonkeys.engine.conversation import Conversation, UnusableAnswer
from codemonkeys.engine.work import Work
from codemonkeys.errors import BudgetReached, FilteredAnswer, RejectedRequest
from codemonkeys.selection.collect_evidence import BY_SAMPLES, SelectionInput
from codemonkeys.selection.conversation import ConversationKey, converse, example_test, make_finalists, touched_files
from codemonkeys.stages import BALLOT, JUDGE, stage_of_choice

_BELIEF = re.compile(r"^\W*(yes|no)\W*$", re.I | re.M)


async def counts_samples(work: Work) -> bool:
    """Whether shares of candidates are shares of samples: not in a task that was judged before they could be."""
    stage = stage_of_choice(JUDGE.name, work.journal.choice)
    if work.journal.note(work.task.id, stage, 0, BY_SAMPLES) is not None:
        return True
    if work.journal.has_asked(work.task.id, stage):
        return False
    await work.note(stage, BY_SAMPLES, True)
    return True


async def judge_candidates(work: Work, inputs: SelectionInput, shortlist: Sequence[int]) -> dict[int, float | None]:
    """A judge's belief in each candidate of a shortlist, from 0 to 1; None without a usable answer.

    The share of yes among repeated answers approximates the token's probability, which not every API returns
    (R2E-Gym, arXiv 2504.07164, section 4, scores by that probability). Raises BudgetReached and errors that end a task.
    """
    await counts_samples(work)
    candidates = {n.number - 1: n.candidate for n in inputs.matrix.candidates}
    files = touched_files(work, [candidate.patch for candidate in candidates.values()])
    system = work.prompts("judge.system", files=files)
    async with asyncio.TaskGroup() as group:
        calls = {
            index: [
                group.create_task(ask_judge(work, system, index + 1, candidates[index].patch, repetition))
                for repetition in range(work.settings.selection.judge_samples)
            ]
            for index in shortlist
        }
    beliefs: dict[int, float | None] = {}
    for index, tasks in calls.items():
        results = [task.result() for task in tasks]
        for result in results:
            if isinstance(result, BudgetReached):
                raise result  # candidates without a judgement cannot be compared with the others
        answers = [result for result in results if isinstance(result, bool)]
        beliefs[index] = sum(answers) / len(answers) if answers else None
    counted = BY_SAMPLES if await counts_samples(work) else ""
    await work.signals({"belief": {index + 1: (belief, counted) for index, belief in beliefs.items()}})
    return beliefs


async def ask_judge(work: Work, system: str, number: int, patch: str, repetition: int) -> bool | BudgetReached | None:
    """Whether the judge believes in a candidate; None if its answer is unusable."""
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


async def vote_by_ballots(work: Work, inputs: SelectionInput, shortlist: Sequence[int]) -> tuple[int | None, ...]:
    """The choice of each ballot: the position of a candidate, or None for "none of them". Invalid ballots are dropped.

    Each ballot is a selection conversation that sees the candidates in a different order; voting ends early once a
    choice has an absolute majority. Trae Agent (arXiv 2507.23370), section 3.3; shuffling and refusal are ours.
    """
    limit = work.settings.selection.ballots
    finalists = make_finalists(inputs, shortlist)
    chosen: list[int | None] = []
    recorded: dict[int, tuple[float | None, str]] = {}
    for ballot in range(limit):
        order = list(finalists)
        random.Random(f"{work.task.id} {ballot}").shuffle(order)
        key = ConversationKey(BALLOT, ballot, work.settings.generation.temperature, may_refuse=True)
        try:
            number = await converse(work, inputs, order, example_test(work, inputs, order, shortlist[0]), key)
        except (FilteredAnswer, RejectedRequest):
            continue
        if number is None:
            continue
        chosen.append(number - 1 if number else None)
        recorded[ballot] = (float(number) if number else None, "")
        if max(Counter(chosen).values()) > limit / 2:
            break
    await work.signals({"ballot": recorded})
    return tuple(chosen)

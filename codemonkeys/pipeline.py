"""What one task goes through: context, generation, selection."""

from __future__ import annotations

import asyncio

from codemonkeys.context.ranking import choose_context
from codemonkeys.context.relevance import find_relevant
from codemonkeys.errors import BudgetReached, FilteredAnswer, RejectedRequest
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.editing import write_edit
from codemonkeys.generation.testing import TestScript, write_test
from codemonkeys.selection.conversation import Choice, choose
from codemonkeys.selection.votes import vote
from codemonkeys.work import Work


async def solve(work: Work) -> Choice | None:
    """Solve one task; None if no trajectory ended with an edit."""
    samples = range(work.settings.generation.samples)

    async with asyncio.TaskGroup() as group:
        # Tests are written from the issue alone, so they need not wait for the context.
        tests = [group.create_task(attempt_test(work, sample)) for sample in samples]
        context = await choose_context(work, await find_relevant(work))

        async def trajectory(sample: int) -> Candidate | None:
            test = await tests[sample]
            try:
                return await write_edit(work, sample, context, test)
            except (BudgetReached, FilteredAnswer, RejectedRequest) as error:
                work.give_up("edit", sample, error)
                return None

        ended = [group.create_task(trajectory(sample)) for sample in samples]

    candidates = [candidate for task in ended if (candidate := task.result()) is not None]
    if not candidates:
        return None
    return await choose(work, await vote(work, candidates))


async def attempt_test(work: Work, sample: int) -> TestScript | None:
    """A test script, or none: a trajectory can go on without one."""
    try:
        return await write_test(work, sample)
    except (BudgetReached, FilteredAnswer, RejectedRequest) as error:
        work.give_up("test", sample, error)
        return None

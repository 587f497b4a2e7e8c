"""What one task goes through: context, generation, selection."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from codemonkeys.agent.kinds import trajectories_of
from codemonkeys.agent.trajectory import run_agent
from codemonkeys.context.choosing import ContextFile, choose_context
from codemonkeys.context.relevance import find_relevant
from codemonkeys.engine.work import Work
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.trajectories import excerpt_of, run_trajectory, waves
from codemonkeys.selection.after_wave import after_wave
from codemonkeys.selection.deciding import Choice, select
from codemonkeys.selection.lessons import earlier_waves
from codemonkeys.selection.stop_policy import Decision

__all__ = ["find_context", "run_agent", "run_trajectory", "select", "solve_task"]


async def solve_task(work: Work) -> Choice | None:
    """Solve one task; None if no trajectory ended with an edit."""
    candidates: list[Candidate] = []
    decision = Decision.STOP

    async with asyncio.TaskGroup() as group:
        context = group.create_task(find_context(work))
        excerpt = group.create_task(excerpt_of(work, context))
        for wave in waves(work.settings.generation):
            earlier = await earlier_waves(work, candidates, wave.start)
            trajectories = [group.create_task(t) for t in trajectories_of(work, wave, context, earlier, excerpt)]
            candidates += [candidate for t in trajectories for candidate in await t if candidate]
            decision = await after_wave(work, candidates, wave.stop)
            if decision is not Decision.ANOTHER_WAVE:
                break

    if not candidates:
        return None
    if decision is Decision.ABSTAIN:
        return Choice(None, "", f"none of {len(candidates)} candidates is to be trusted")
    return await select(work, candidates)


async def find_context(work: Work) -> Sequence[ContextFile]:
    """The files that trajectories see; none, at no cost, if no trajectory sees any."""
    if not work.settings.shows_files:
        return []
    return await choose_context(work, await find_relevant(work))

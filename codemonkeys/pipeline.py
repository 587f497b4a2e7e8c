"""What one task goes through: context, generation with its layers, selection."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from codemonkeys.agent.trajectory import run_agent
from codemonkeys.compute.after_wave import after_wave, first_wave, select_by, stop_early
from codemonkeys.compute.draws import Draws, Ground, draw
from codemonkeys.context.choosing import ContextFile, choose_context
from codemonkeys.context.relevance import find_relevant
from codemonkeys.engine.work import Work
from codemonkeys.generation.trajectories import excerpt_of, run_trajectory
from codemonkeys.layers.layering import add_layers
from codemonkeys.selection.deciding import Choice, select
from codemonkeys.selection.stop_policy import Decision

__all__ = ["find_context", "run_agent", "run_trajectory", "select", "solve_task"]


async def solve_task(work: Work) -> Choice | None:
    """Solve one task; None if no trajectory ended with an edit."""
    draws, wave = Draws(), first_wave(work)

    async with asyncio.TaskGroup() as group:
        context = group.create_task(find_context(work))
        ground = Ground(group, context, group.create_task(excerpt_of(work, context)))
        while wave.decision is Decision.ANOTHER_WAVE:
            await draw(work, ground, draws, wave, stop_early(work, draws))
            wave = await after_wave(work, draws)

    if not draws.candidates:
        return None
    if wave.decision is Decision.ABSTAIN:
        return Choice(None, "", f"none of {len(draws.candidates)} candidates is to be trusted")
    await add_layers(work, draws, await context)
    return await select_by(work, draws, wave)


async def find_context(work: Work) -> Sequence[ContextFile]:
    """The files that trajectories see; none, at no cost, if no trajectory sees any."""
    if not work.settings.shows_files:
        return []
    return await choose_context(work, await find_relevant(work))

"""What one task goes through: context, generation with its layers, selection."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence

from codemonkeys.agent.trajectory import run_agent
from codemonkeys.compute.after_wave import after_wave, first_wave, select_by, stop_early
from codemonkeys.compute.draws import Draws, Ground, best_context, draw
from codemonkeys.engine.work import Work
from codemonkeys.generation.trajectories import Context, excerpt_of, run_trajectory
from codemonkeys.layers.layering import add_layers
from codemonkeys.search.contexts import choose_contexts
from codemonkeys.selection.deciding import Choice, select
from codemonkeys.selection.stop_policy import Decision

__all__ = ["find_context", "run_agent", "run_trajectory", "select", "solve_task"]


async def solve_task(work: Work) -> Choice | None:
    """Solve one task; None if no trajectory ended with an edit."""
    draws, wave = Draws(), first_wave(work)

    async with asyncio.TaskGroup() as group:
        contexts = group.create_task(find_contexts(work))
        context = group.create_task(first_of(contexts))
        ground = Ground(group, contexts, group.create_task(excerpt_of(work, context)))
        while wave.decision is Decision.ANOTHER_WAVE:
            await draw(work, ground, draws, wave, stop_early(work, draws))
            wave = await after_wave(work, draws)

    if not draws.candidates:
        return None
    if wave.decision is Decision.ABSTAIN:
        return Choice(None, "", f"none of {len(draws.candidates)} candidates is to be trusted")
    await add_layers(work, draws, await best_context(ground, draws))
    return await select_by(work, draws, wave)


async def find_context(work: Work) -> Context:
    """The files that trajectories see, of several choices the first; none, at no cost, if no trajectory sees any."""
    return await first_of(find_contexts(work))


async def find_contexts(work: Work) -> Sequence[Context]:
    """All choices of such files, of which each trajectory gets one."""
    return await choose_contexts(work) if work.settings.shows_files else [[]]


async def first_of(contexts: Awaitable[Sequence[Context]]) -> Context:
    """The first of several context choices."""
    return (await contexts)[0]

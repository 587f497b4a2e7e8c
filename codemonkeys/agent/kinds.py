"""The trajectories of a wave, each of the kind that is its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence

from codemonkeys.agent.branching import grouped, run_branch
from codemonkeys.agent.trajectory import run_agent
from codemonkeys.context.choosing import ContextFile
from codemonkeys.context.for_tests import Excerpt
from codemonkeys.engine.work import Work
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.trajectories import run_trajectory

Shared = asyncio.Task[Sequence[ContextFile]]


def trajectories_of(
    work: Work, wave: Sequence[int], context: Shared, earlier: str, excerpt: asyncio.Task[Excerpt]
) -> list[Coroutine[None, None, list[Candidate | None]]]:
    """The trajectories of a wave; agents that branch from one are one of them."""
    generation = work.settings.generation
    agents = [sample for sample in wave if generation.branch and generation.kind_of(sample) == "agent"]
    alone = [trajectory(work, sample, context, earlier, excerpt) for sample in wave if sample not in agents]
    return [*alone, *(run_branch(work, group, context, earlier) for group in grouped(work, agents))]


async def trajectory(
    work: Work, sample: int, context: Shared, earlier: str, excerpt: asyncio.Task[Excerpt]
) -> list[Candidate | None]:
    """One trajectory."""
    if work.settings.generation.kind_of(sample) == "agent":
        return [await run_agent(work, sample, context, earlier)]
    return [await run_trajectory(work, sample, context, earlier, excerpt)]

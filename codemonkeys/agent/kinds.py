"""The trajectories of a wave, each of the kind that is its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence

from codemonkeys.agent.branching import grouped, run_branch
from codemonkeys.agent.trajectory import run_agent
from codemonkeys.context.choosing import ContextFile
from codemonkeys.context.for_tests import Excerpt
from codemonkeys.engine.work import Work
from codemonkeys.generation.candidate import Candidate, FirstEdits
from codemonkeys.generation.trajectories import run_trajectory

Shared = asyncio.Task[Sequence[ContextFile]]
ContextOf = Callable[[int], Shared]
"""The files that a sample sees."""


def trajectories_of(
    work: Work,
    wave: Sequence[int],
    context_of: ContextOf,
    earlier: str,
    excerpt: asyncio.Task[Excerpt],
    beam: FirstEdits | None = None,
) -> list[Coroutine[None, None, list[Candidate | None]]]:
    """The trajectories of a wave; agents that branch from one are one of them.

    `beam`: where those of kind `edit` wait for each other after their first edits.
    """
    generation = work.settings.generation
    agents = [sample for sample in wave if generation.branch and generation.kind_of(sample) == "agent"]
    alone = [
        trajectory(work, sample, context_of(sample), earlier, excerpt, beam) for sample in wave if sample not in agents
    ]
    return [*alone, *(run_branch(work, group, context_of(group[0]), earlier) for group in grouped(work, agents))]


async def trajectory(
    work: Work,
    sample: int,
    context: Shared,
    earlier: str,
    excerpt: asyncio.Task[Excerpt],
    beam: FirstEdits | None = None,
) -> list[Candidate | None]:
    """One trajectory."""
    if work.settings.generation.kind_of(sample) == "agent":
        return [await run_agent(work, sample, context, earlier)]
    candidate = await run_trajectory(work, sample, context, earlier, excerpt, beam.goes_on if beam else None)
    if beam is not None:
        beam.ended(sample, candidate)
    return [candidate]

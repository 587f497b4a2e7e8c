"""Takes a task through the layers of `generation.layers` behind the first, which draws the trajectories.

After Archon (arXiv 2409.15254): layers of one kind each, in a fixed order, each with a step of its own. Its generators
are our trajectories, its unit tests are their scripts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count

from codemonkeys.compute.draws import Draws
from codemonkeys.context.choosing import ContextFile
from codemonkeys.engine.work import Work
from codemonkeys.layers.critique import critique
from codemonkeys.layers.fusing import fuse
from codemonkeys.layers.ranking import rerank
from codemonkeys.layers.verifying import verify
from codemonkeys.selection.collect_evidence import SelectionInput
from codemonkeys.selection.evolving import by_fitness


async def add_layers(work: Work, draws: Draws, context: Sequence[ContextFile]) -> None:
    """Add to a task's candidates what its layers make of them. One distinct candidate is left as it is."""
    layers = work.settings.generation.layers
    order: list[int] = []
    for number, (layer, then) in enumerate(zip(layers, (*layers[1:], ""), strict=True)):
        if layer in ("generate", "verify"):
            continue
        inputs = await draws.evidence(work)
        fittest = by_fitness(inputs.evidence) if inputs else []
        if inputs is None or len(fittest) < 2:
            return
        match layer:
            case "critique":
                await critique(work, inputs)
            case "rank":
                order = await rerank(work, inputs, fittest, number)
            case "fuse":
                best = [index for index in order if index in fittest] or fittest
                await add_merged(work, draws, inputs, best, context, verified=then == "verify")
                order = []


async def add_merged(
    work: Work,
    draws: Draws,
    inputs: SelectionInput,
    order: Sequence[int],
    context: Sequence[ContextFile],
    verified: bool,
) -> None:
    """Add a candidate that is merged from the best of an order, if it comes to one, and verification keeps it."""
    sample = next(n for n in count() if n not in draws.taken)
    draws.layered.append(sample)
    merged = await fuse(work, inputs, order, sample, context)
    if merged is None:
        return
    if verified and not await verify(work, inputs, order[: work.settings.generation.fuse_best], merged):
        return
    # What one model wrote or merged shares its mistakes, so that it counts once where sources have to be unrelated.
    related = [replace(candidate, family=candidate.family or candidate.source) for candidate in draws.candidates]
    draws.candidates[:] = [*related, merged]

"""Draws waves of trajectories as policies allocate them, and keeps what they have come to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice

from codemonkeys.agent.kinds import Shared, trajectories_of
from codemonkeys.compute.base import Allocation
from codemonkeys.context.choosing import ContextFile
from codemonkeys.context.for_tests import Excerpt
from codemonkeys.engine.decided import noted
from codemonkeys.engine.work import Work
from codemonkeys.errors import PolicyFailed
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.trajectories import attempt_test
from codemonkeys.journal.decisions import ENDED, STAGE, STOPPED
from codemonkeys.search.beam import Beam
from codemonkeys.selection.collect_evidence import SelectionInput, collect_evidence
from codemonkeys.selection.lessons import earlier_waves, lesson_about
from codemonkeys.stages import AGENT, EDIT

NUMBERS = 10_000
"""Numbers of samples among which one of a kind and model is looked for."""


@dataclass
class Draws:
    """What the waves of a task have come to."""

    candidates: list[Candidate] = field(default_factory=list[Candidate])
    samples: list[int] = field(default_factory=list[int])
    """Trajectories that ended."""
    tests: list[str] = field(default_factory=list[str])
    """Scripts of test conversations beside those of trajectories."""
    held: list[int] = field(default_factory=list[int])
    """Samples that were such conversations."""
    stopped: list[int] = field(default_factory=list[int])
    contexts: list[int] = field(default_factory=list[int])
    """Context choices that first edits have kept, the best first; empty: all."""
    layered: list[int] = field(default_factory=list[int])
    """Samples that layers behind the trajectories made."""
    scripts: tuple[str, ...] = ()
    """Scripts that have run on the candidates, in their order."""

    @property
    def taken(self) -> set[int]:
        """Numbers of samples that are not free."""
        return {*self.samples, *self.held, *self.stopped, *self.layered}

    async def evidence(self, work: Work) -> SelectionInput | None:
        """The evidence of the candidates so far; None if there is none."""
        if not self.candidates:
            return None
        found = await collect_evidence(work, self.candidates, self.tests, self.scripts)
        self.scripts = found.matrix.tests
        return found


@dataclass(frozen=True)
class Ground:
    """What the trajectories of a task share."""

    group: asyncio.TaskGroup
    contexts: asyncio.Task[Sequence[Sequence[ContextFile]]]
    """At least one."""
    excerpt: asyncio.Task[Excerpt]


Running = asyncio.Task[list[Candidate | None]]
AtEnd = Callable[[int], Awaitable[bool]]
"""Is asked when a trajectory has ended, with the number of those that run: whether to stop these."""


async def draw(work: Work, ground: Ground, draws: Draws, wave: Allocation, at_end: AtEnd | None = None) -> None:
    """Draw a wave to its end, or, with `at_end`, until that stops it."""
    begun = work_of(work, wave.turns)
    samples = numbers_of(work, wave, draws.taken)
    held = list(islice((n for n in count() if n not in draws.taken and n not in samples), wave.tests))
    extra = [ground.group.create_task(test_of(begun, sample, ground)) for sample in held]
    if at_end is None:
        beam = beam_of(begun, ground, draws, samples)
        kept = ground.group.create_task(beam.decide()) if beam else None
        found = await start(begun, ground, draws, wave, samples, beam)
        for task in found:
            draws.candidates += [candidate for candidate in await task if candidate]
        draws.samples += samples
        draws.contexts = (kept and await kept) or draws.contexts
    else:
        await draw_in_order(begun, ground, draws, wave, samples, at_end)
    draws.tests += [script for task in extra if (script := await task)]
    draws.held += held


def beam_of(work: Work, ground: Ground, draws: Draws, samples: Sequence[int]) -> Beam | None:
    """What prunes the first edits of a wave; None if nothing does."""
    pruned = [sample for sample in samples if work.settings.generation.kind_of(sample) == "edit"]
    if not pruned or not work.settings.search.waits_for_edits or work.is_begun_by_older:
        return None

    def context(sample: int) -> int:
        return context_of(work, draws, len(ground.contexts.result()), sample)

    return Beam(work, len(draws.samples), pruned, context)


async def best_context(ground: Ground, draws: Draws) -> Sequence[ContextFile]:
    """The context choice that is kept first."""
    return (await ground.contexts)[draws.contexts[0] if draws.contexts else 0]


def context_of(work: Work, draws: Draws, drawn: int, sample: int) -> int:
    """The number of the context choice that a sample sees; each model and each kind of trajectory gets all in turn."""
    generation, kept = work.settings.generation, draws.contexts or range(drawn)
    return kept[sample // (max(1, len(generation.models)) * len(generation.kinds)) % len(kept)]


async def start(
    work: Work,
    ground: Ground,
    draws: Draws,
    wave: Allocation,
    samples: Sequence[int],
    beam: Beam | None = None,
) -> list[Running]:
    """Begin trajectories; those with a parent are told of it alone, the others of earlier waves.

    `beam`: what prunes their first edits.
    """

    async def shown(sample: int) -> Sequence[ContextFile]:
        contexts = await ground.contexts
        return contexts[context_of(work, draws, len(contexts), sample)]

    def context(sample: int) -> Shared:
        return ground.group.create_task(shown(sample))

    async def told(parent: int | None) -> str:
        if parent is not None:
            return await lesson_about(work, draws.candidates, parent, draws.scripts)
        return await earlier_waves(work, draws.candidates, draws.samples, draws.scripts)

    begun: list[Running] = []
    parents = dict(zip(samples, wave.parents, strict=False))
    for parent in dict.fromkeys(map(parents.get, samples)):
        mine = [sample for sample in samples if parents.get(sample) == parent]
        earlier = await told(parent)
        trajectories = trajectories_of(work, mine, context, earlier, ground.excerpt, beam)
        begun += [ground.group.create_task(each) for each in trajectories]
    return begun


async def draw_in_order(
    work: Work, ground: Ground, draws: Draws, wave: Allocation, samples: Sequence[int], at_end: AtEnd
) -> None:
    """Draw a wave, candidates in the order in which their trajectories end, and stop what `at_end` has stopped.

    That order numbers the candidates, and a resumed run keeps it: from the journal all end at once.
    """
    at = len(draws.samples)
    order: list[int] = noted(work, ENDED, at) or []
    stopped: list[int] = noted(work, STOPPED, at) or []
    left = [sample for sample in samples if sample not in stopped]
    running = {sample: (await start(work, ground, draws, wave, [sample]))[0] for sample in left}
    while running:
        known = [sample for sample in order if sample in running]
        if known:
            ended = known[:1]
            await asyncio.wait([running[ended[0]]])
        else:
            done, _ = await asyncio.wait(running.values(), return_when=asyncio.FIRST_COMPLETED)
            ended = [sample for sample, each in running.items() if each in done]
        for sample in ended:
            draws.candidates += [candidate for candidate in running.pop(sample).result() if candidate]
            draws.samples.append(sample)
        if not known:
            order = [*order, *ended]
            await work.note(STAGE, ENDED, order, at)
        if running and not set(order) & set(running) and await at_end(len(running)):
            stopped = sorted(running)
            await work.note(STAGE, STOPPED, stopped, at)
            for each in running.values():
                each.cancel()
            break
    draws.stopped += stopped


async def test_of(work: Work, sample: int, ground: Ground) -> str:
    """The script of a test conversation without a trajectory; empty if it came to none."""
    test = await attempt_test(work, sample, await ground.excerpt)
    return test.text if test else ""


def numbers_of(work: Work, wave: Allocation, taken: set[int]) -> list[int]:
    """Numbers for the trajectories of a wave: the first free ones, of its kind and model if it names any."""
    settings = work.settings.generation

    def fits(sample: int) -> bool:
        kind = settings.kind_of(sample)
        model = work.models.of((AGENT if kind == "agent" else EDIT).name, sample).name
        return wave.kind in (None, kind) and wave.model in (None, model)

    free = (sample for sample in range(NUMBERS) if sample not in taken and fits(sample))
    found = list(islice(free, wave.samples))
    if len(found) < wave.samples:
        wanted = " ".join(filter(None, (wave.kind, wave.model)))
        raise PolicyFailed(
            f"policy {work.settings.compute.policy} asks for {wanted} on {work.task.id}, which no trajectory of these "
            "settings is: see generation.kinds and generation.models"
        )
    return found


def work_of(work: Work, turns: int | None) -> Work:
    """The work with other limits on turns."""
    if turns is None:
        return work
    settings = work.settings
    generation = settings.generation.model_copy(update={"test_turns": turns, "edit_turns": turns})
    agent = settings.agent.model_copy(update={"steps": turns})
    return replace(work, settings=settings.model_copy(update={"generation": generation, "agent": agent}))

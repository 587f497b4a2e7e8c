"""Trajectories, each of which writes a test script and an edit. They run in waves; later waves may see earlier ones."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence

from codemonkeys.context.choosing import ContextFile
from codemonkeys.context.for_tests import NOTHING, Excerpt, excerpt_for_tests
from codemonkeys.engine.work import Work
from codemonkeys.errors import BudgetReached, FilteredAnswer, RejectedRequest
from codemonkeys.generation.candidate import Candidate, GoesOn
from codemonkeys.generation.editing import write_edit
from codemonkeys.generation.testing import TestScript, write_test
from codemonkeys.prompting import cut_middle
from codemonkeys.settings import GenerationSettings
from codemonkeys.stages import EDIT, MEMORY, TEST


def waves(settings: GenerationSettings) -> list[range]:
    """Sample numbers by wave."""
    size = settings.wave or settings.samples
    return [range(start, min(start + size, settings.samples)) for start in range(0, settings.samples, size)]


Context = Sequence[ContextFile]
"""The files of a task's context."""


async def run_trajectory(
    work: Work,
    sample: int,
    context: Awaitable[Context] | Context,
    earlier: str = "",
    excerpt: Awaitable[Excerpt] | Excerpt | None = None,
    goes_on: GoesOn | None = None,
) -> Candidate | None:
    """Write a test, then an edit; None without an applicable edit.

    `context`: the files, or an awaitable for them. `earlier`: what earlier waves tried, from `describe_earlier`.
    `excerpt`: what its test conversation sees of them, if that is shared with other trajectories.
    `goes_on`: whether it has further turns after its first edit.
    """
    if excerpt is None:
        excerpt = await excerpt_of(work, context)
    test = await attempt_test(work, sample, await excerpt if isinstance(excerpt, Awaitable) else excerpt)
    files = await context if isinstance(context, Awaitable) else context
    try:
        return await write_edit(work, sample, files, test, earlier, goes_on=goes_on)
    except (BudgetReached, FilteredAnswer, RejectedRequest) as error:
        work.give_up(EDIT, sample, error)
        return None


async def excerpt_of(work: Work, context: Awaitable[Context] | Context) -> Excerpt:
    """What test conversations see of the context; nothing, at once, if they do not wait for it."""
    generation = work.settings.generation
    if generation.early_tests or work.is_begun_by_older or not generation.count("edit"):
        return NOTHING
    return await excerpt_for_tests(work, await context if isinstance(context, Awaitable) else context)


async def attempt_test(work: Work, sample: int, excerpt: Excerpt = NOTHING) -> TestScript | None:
    """Write a test script if possible; a trajectory can continue without one."""
    try:
        return await write_test(work, sample, excerpt)
    except (BudgetReached, FilteredAnswer, RejectedRequest) as error:
        work.give_up(TEST, sample, error)
        return None


async def describe_earlier(work: Work, candidates: Sequence[Candidate]) -> str:
    """A message about what earlier waves tried and how it failed; empty unless `generation.diversity` asks for it.

    After EvoScale (arXiv 2505.23604), section 3: earlier edits with their failing output. Everything comes from the
    journal, so a resumed run builds the same message.
    """
    settings = work.settings.generation
    if settings.diversity == "none" or not candidates:
        return ""
    distinct = list({candidate.patch: candidate for candidate in candidates}.values())
    share = max(1, settings.memory_characters // (2 * len(distinct)))
    tried = []
    for candidate in distinct:
        shown = None
        if candidate.test:
            # The trajectory ran this itself, so the result is reused from the journal.
            shown = work.show(await work.run(MEMORY, candidate.sample, 0, "edited", candidate.test, candidate.patch))
        tried.append(
            {
                "patch": cut_middle(candidate.patch, share),
                "verdict": shown.verdict if shown else "",
                "output": cut_middle(shown.output, share) if shown else "",
            }
        )
    return work.prompts("edit.earlier", tried=tried)

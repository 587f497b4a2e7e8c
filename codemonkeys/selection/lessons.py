"""What a wave is told of those before it: nothing, all of their edits, the best to review, or summaries of the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from codemonkeys.engine.work import Work
from codemonkeys.errors import BudgetReached
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.distilling import distill, summary_of
from codemonkeys.generation.trajectories import describe_earlier
from codemonkeys.prompting import cut_middle
from codemonkeys.selection.collect_evidence import collect_evidence
from codemonkeys.selection.deciding import complete_ranking, shortlist_ranking
from codemonkeys.selection.evidence import Evidence, Match
from codemonkeys.selection.evolving import describe_parents
from codemonkeys.selection.rules import RULES
from codemonkeys.selection.rules_base import passed, valid_tests
from codemonkeys.selection.tournament import BRIEF_VOTES, play
from codemonkeys.stages import COMPARE, DISTILL

NOTE = "best"
"""Kind of the note that says which trajectories a wave was told of."""


async def earlier_waves(
    work: Work, candidates: Sequence[Candidate], samples: Sequence[int], before: Sequence[str] = ()
) -> str:
    """The message about earlier waves for the one that follows these trajectories; empty for the first.

    `before`: scripts that have run on the candidates; see `collect_evidence`.
    """
    generation, drawn = work.settings.generation, len(samples)
    if generation.diversity == "evoscale":
        return await describe_parents(work, candidates, drawn, before)
    if generation.diversity != "distill":
        return await describe_earlier(work, candidates)
    if not drawn:
        return ""
    await distill(work, samples)
    lessons = await best_lessons(work, candidates, drawn, before)
    # Those that came to no edit have at least seen something.
    ended = {candidate.sample for candidate in candidates}
    lessons += [lesson_of(work, sample) for sample in samples if sample not in ended]
    told = [each for each in lessons if each["summary"] or each["patch"]][: generation.distill_best]
    await work.note(DISTILL, NOTE, [each["sample"] for each in told], drawn)
    return work.prompts("distill.lessons", lessons=told, drawn=drawn) if told else ""


async def best_lessons(
    work: Work, candidates: Sequence[Candidate], drawn: int, before: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """What the best trajectories with a patch came to, the best first."""
    if not candidates:
        return []
    generation, selection = work.settings.generation, work.settings.selection
    inputs = await collect_evidence(work, candidates, before=before)
    evidence, most = inputs.evidence, generation.distill_best
    order = complete_ranking(evidence, shortlist_ranking(selection, evidence))
    if generation.distill_by == "tournament":
        first = drawn * (BRIEF_VOTES + selection.match_votes)
        matches: tuple[Match, ...] = ()
        if not work.has_ended_early(COMPARE, drawn):
            try:
                matches = await play(work, inputs, order, until=most, stage=COMPARE, first_turn=first)
            except BudgetReached as error:
                # Kept, as the wave goes on without: a resumed run that could pay for them would tell it otherwise.
                work.give_up(COMPARE, drawn, error)
        if matches:
            order = complete_ranking(evidence, RULES["tournament"].rank(replace(evidence, matches=matches)))
    return [lesson_of(work, candidates[index].sample, evidence, index) for index in order[:most]]


async def lesson_about(work: Work, candidates: Sequence[Candidate], index: int, before: Sequence[str]) -> str:
    """The message that tells a trajectory of the candidate that it goes on from, with its summary if there are any."""
    sample = candidates[index].sample
    if work.settings.generation.diversity == "distill":
        await distill(work, [sample])
    evidence = (await collect_evidence(work, candidates, before=before)).evidence
    lesson = lesson_of(work, sample, evidence, index)
    return work.prompts("distill.lessons", lessons=[lesson], drawn=len(candidates))


def lesson_of(work: Work, sample: int, evidence: Evidence | None = None, index: int = 0) -> dict[str, Any]:
    """The summary of a trajectory, and what tests say of its patch, if it has one."""
    generation = work.settings.generation
    lesson = {"sample": sample, "summary": summary_of(work, sample), "patch": "", "scripts": 0, "tests": 0}
    if evidence is None:
        return lesson
    scripts = valid_tests(evidence) if evidence.edited else []
    share = generation.memory_characters // generation.distill_best
    return lesson | {
        "patch": cut_middle(evidence.patches[index], share),
        "scripts": len(scripts),
        "passed": passed(evidence, index, scripts) if scripts else 0,
        "tests": evidence.regressions,
        "broken": evidence.breaks[index] if evidence.breaks else None,
    }

"""What summaries of trajectories cost, and the comparisons by which a wave is told of the best."""

from __future__ import annotations

from codemonkeys.compute.policies import name_of
from codemonkeys.generation.distilling import PARTS
from codemonkeys.generation.paragraphs import CHARACTERS as PART_CHARACTERS
from codemonkeys.generation.trajectories import waves
from codemonkeys.models.base import Usage
from codemonkeys.models.roles import longest_answer
from codemonkeys.planning.conversations import ConversationProfile, Conversations
from codemonkeys.planning.measures import Measures
from codemonkeys.planning.models import PlannedModels
from codemonkeys.planning.stage_cost import StageCost, stage_cost, upper_bound
from codemonkeys.planning.tournaments import cost_of_matches
from codemonkeys.selection.deciding import add_matches, add_matches_for_shortlist, collectors
from codemonkeys.selection.tournament import most_matches
from codemonkeys.settings import Settings
from codemonkeys.stages import COMPARE, DISTILL

PROFILE = ConversationProfile((1, 0), answer=300, first=0, reply=0)
CHARACTERS_PER_TOKEN = 4
COUNTED = 400
"""Characters about a candidate that a wave is told of, beside its patch and output."""


def distill_cost(measures: Measures, settings: Settings, models: PlannedModels) -> StageCost:
    """Estimated cost of the summaries of a task: of all trajectories but the last wave's, which a tournament reads."""
    generation = settings.generation
    if generation.diversity != "distill":
        return stage_cost(models, DISTILL.name, 0.0, Usage(), 0, 0.0)
    read = {add_matches, add_matches_for_shortlist}.intersection(collectors(settings.selection))
    count = generation.samples if read else waves(generation)[-1].start
    system, user = measures.systems[DISTILL.name], measures.users[DISTILL.name]
    shown = generation.distill_characters
    calls, usage = Conversations(count, 1, system, user + shown // CHARACTERS_PER_TOKEN, PROFILE).usage()
    longest = longest_answer(settings, "scan")
    each = upper_bound(models, DISTILL.name, system, user + shown, 2, longest, measures.repair)
    return stage_cost(models, DISTILL.name, calls, usage, 2 * count, None if each is None else count * each)


def compare_cost(measures: Measures, settings: Settings, models: PlannedModels) -> StageCost:
    """Estimated cost of the tournaments between waves."""
    generation = settings.generation
    if generation.diversity != "distill" or generation.distill_by != "tournament":
        return stage_cost(models, COMPARE.name, 0.0, Usage(), 0, 0.0)
    size = settings.selection.match_size
    matches = sum(most_matches(wave.start, size, generation.distill_best) for wave in waves(generation)[1:])
    return cost_of_matches(measures, settings, models, COMPARE.name, matches)


def told_of_earlier(settings: Settings) -> int:
    """Maximum characters, and so no fewer than tokens, about earlier waves in a first message."""
    generation = settings.generation
    told = 0 if generation.diversity == "none" else generation.memory_characters
    if generation.diversity == "distill":
        told += generation.distill_best * len(PARTS) * PART_CHARACTERS
    elif generation.diversity == "evoscale":
        told += COUNTED * generation.parents
    if name_of(settings) == "particles":  # of the candidate that the trajectory goes on from
        told += COUNTED + generation.memory_characters // generation.distill_best
    return told

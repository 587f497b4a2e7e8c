"""What the layers behind the trajectories cost: critiques, rankings, and trajectories that merge candidates."""

from __future__ import annotations

from codemonkeys.generation.paragraphs import CHARACTERS as PARAGRAPH
from codemonkeys.layers.critique import PARTS
from codemonkeys.layers.shown import CHARACTERS
from codemonkeys.models.base import Usage
from codemonkeys.models.roles import longest_answer
from codemonkeys.planning.conversations import PATCH, ConversationProfile, Conversations
from codemonkeys.planning.measures import Measures
from codemonkeys.planning.models import PlannedModels
from codemonkeys.planning.stage_cost import TOUCHED, StageCost, stage_cost, upper_bound
from codemonkeys.settings import Settings
from codemonkeys.stages import CRITIQUE, RERANK

PROFILE = ConversationProfile((1, 0), answer=500, first=PATCH, reply=0)
COUNTED = 400
"""Characters about a candidate beside its patch, an output and its critique."""


def candidates_of(settings: Settings) -> int:
    """Maximum number of a task's candidates: one of each trajectory, and merged ones."""
    return settings.generation.samples + settings.generation.layers.count("fuse")


def critique_cost(measures: Measures, settings: Settings, models: PlannedModels) -> StageCost:
    """Estimated cost of one critique of each candidate, merged ones that come before a critic included."""
    layers = settings.generation.layers
    if "critique" not in layers:
        return stage_cost(models, CRITIQUE.name, 0.0, Usage(), 0, 0.0)
    last = max(number for number, layer in enumerate(layers) if layer == "critique")
    count = settings.generation.samples + layers[:last].count("fuse")
    return cost_of_calls(measures, settings, models, CRITIQUE.name, count, PATCH, CHARACTERS // 2 + COUNTED)


def rerank_cost(measures: Measures, settings: Settings, models: PlannedModels) -> StageCost:
    """Estimated cost of the rankings of all candidates."""
    layers, samples = settings.generation.layers, settings.generation.samples
    if "rank" not in layers:
        return stage_cost(models, RERANK.name, 0.0, Usage(), 0, 0.0)
    most = told_of_candidates(candidates_of(settings))
    return cost_of_calls(measures, settings, models, RERANK.name, layers.count("rank"), samples * PATCH, most)


def told_of_candidates(count: int) -> int:
    """Maximum characters, and so no fewer than tokens, of a message about so many candidates."""
    return CHARACTERS + count * (len(PARTS) * PARAGRAPH + COUNTED)


def cost_of_calls(
    measures: Measures, settings: Settings, models: PlannedModels, stage: str, count: int, shown: int, most: int
) -> StageCost:
    """Estimated cost of calls of a judge, each repaired once at most. `shown`, `most`: tokens of candidates."""
    system, user, source = measures.systems[stage], measures.users[stage], measures.source
    calls, usage = Conversations(count, 1, system + min(TOUCHED, source), user + shown, PROFILE).usage()
    touched = min(settings.context.tokens, source) + measures.paths
    longest = longest_answer(settings, "judge")
    each = upper_bound(models, stage, system + touched, user + most, 2, longest, measures.repair + user)
    return stage_cost(models, stage, calls, usage, 2 * count, None if each is None else count * each)

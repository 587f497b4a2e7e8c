"""What a tournament of candidates costs: two short votes a match, and longer ones where these disagree."""

from __future__ import annotations

from codemonkeys.models.base import Usage
from codemonkeys.models.roles import longest_answer
from codemonkeys.planning.conversations import JUDGE_PROFILE, PATCH, Conversations
from codemonkeys.planning.layers import candidates_of
from codemonkeys.planning.measures import Measures
from codemonkeys.planning.models import PlannedModels
from codemonkeys.planning.stage_cost import (
    EVIDENCE,
    FAILURES,
    FEWER_TOKENS,
    TOUCHED,
    StageCost,
    stage_cost,
    upper_bound,
)
from codemonkeys.selection.deciding import add_matches, add_matches_for_shortlist, collectors
from codemonkeys.selection.tournament import BRIEF_VOTES, most_matches
from codemonkeys.settings import Settings
from codemonkeys.stages import TOURNAMENT

DISAGREE = 0.3
"""Share of matches whose first votes disagree: an assumption, until a run of yours tells more (`--like`)."""


def tournament_cost(measures: Measures, settings: Settings, models: PlannedModels) -> StageCost:
    """Estimated cost of the tournament of a task."""
    asked = collectors(settings.selection)
    if add_matches not in asked and add_matches_for_shortlist not in asked:
        return stage_cost(models, TOURNAMENT.name, 0.0, Usage(), 0, 0.0)
    until = 1 if add_matches in asked else settings.selection.candidates
    matches = most_matches(candidates_of(settings), settings.selection.match_size, until)
    return cost_of_matches(measures, settings, models, TOURNAMENT.name, matches)


def cost_of_matches(
    measures: Measures, settings: Settings, models: PlannedModels, stage: str, matches: int
) -> StageCost:
    """Estimated cost of so many matches."""
    selection, source = settings.selection, measures.source
    system, user = measures.systems[TOURNAMENT.name], measures.users[TOURNAMENT.name]
    size, later = selection.match_size, round(DISAGREE * matches * selection.match_votes)
    patches = user + size * PATCH
    evidence = min(EVIDENCE, selection.evidence_tokens)
    brief = Conversations(BRIEF_VOTES * matches, 1, system, patches, JUDGE_PROFILE).usage()
    whole = Conversations(later, 1, system + min(TOUCHED, source), patches + evidence, JUDGE_PROFILE).usage()
    calls, usage = brief[0] + whole[0], StageCost(usage=brief[1]) + StageCost(usage=whole[1])
    longest, touched = longest_answer(settings, "judge"), min(settings.context.tokens, source) + measures.paths
    patch = 2 * longest_answer(settings, "writer") * FEWER_TOKENS
    told = user + size * (patch + FAILURES)
    each = upper_bound(models, stage, system, told, 1, longest, 0)
    last = upper_bound(models, stage, system + touched, told + selection.evidence_tokens, 1, longest, 0)
    most = None if each is None or last is None else matches * (BRIEF_VOTES * each + selection.match_votes * last)
    return stage_cost(models, stage, calls, usage.usage, matches * (BRIEF_VOTES + selection.match_votes), most)

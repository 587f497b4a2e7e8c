"""What pruning costs: votes of the judge on context choices, and on the first edits of waves."""

from __future__ import annotations

from codemonkeys.generation.trajectories import waves
from codemonkeys.models.base import Usage
from codemonkeys.models.roles import longest_answer
from codemonkeys.planning.conversations import PATCH, ConversationProfile, Conversations
from codemonkeys.planning.layers import COUNTED, cost_of_calls
from codemonkeys.planning.measures import CHOICES, Measures
from codemonkeys.planning.models import PlannedModels
from codemonkeys.planning.stage_cost import StageCost, stage_cost, upper_bound
from codemonkeys.search.beam import CHARACTERS
from codemonkeys.settings import Settings
from codemonkeys.stages import PRUNE

PROFILE = ConversationProfile((1, 0), answer=500, first=PATCH, reply=0)
MAX_SUMMARY = 200
"""Length of a file summary assumed in upper bounds."""


def prune_cost(measures: Measures, settings: Settings, models: PlannedModels) -> StageCost:
    """Estimated cost of all votes on context choices and first edits; executions cost nothing."""
    if settings.search.prune != "judge":
        return stage_cost(models, PRUNE.name, 0.0, Usage(), 0, 0.0)
    return _edits(measures, settings, models) + _contexts(measures, settings, models)


def pruned_edits(settings: Settings) -> int:
    """Trajectories of a task that end with their first edits, if all come to one."""
    keep = settings.search.keep_edits
    if keep is None:
        return 0
    return sum(max(0, drawn - keep) for drawn in _drawn(settings))


def added(one: tuple[float, Usage], other: tuple[float, Usage]) -> tuple[float, Usage]:
    """Calls and their tokens of both."""
    both = StageCost(*one) + StageCost(*other)
    return both.calls, both.usage


def _drawn(settings: Settings) -> list[int]:
    """First edits of each wave at most."""
    kind_of = settings.generation.kind_of
    return [sum(kind_of(sample) == "edit" for sample in wave) for wave in waves(settings.generation)]


def _edits(measures: Measures, settings: Settings, models: PlannedModels) -> StageCost:
    """Of each wave in which more than are kept can have an edit."""
    search, found = settings.search, StageCost()
    for drawn in _drawn(settings):
        if drawn > (search.keep_edits or drawn):
            most = CHARACTERS + drawn * COUNTED
            found += cost_of_calls(measures, settings, models, PRUNE.name, search.votes, drawn * PATCH, most)
    return found


def _contexts(measures: Measures, settings: Settings, models: PlannedModels) -> StageCost:
    search = settings.search
    if search.contexts <= search.keep_contexts or not settings.shows_files:
        return StageCost()
    system, user, paths = measures.systems[CHOICES], measures.users[CHOICES], measures.paths
    calls, usage = Conversations(search.votes, 1, system, user, PROFILE).usage()
    each = upper_bound(
        *(models, PRUNE.name),
        system + paths + measures.files * MAX_SUMMARY,
        user + search.contexts * paths,
        2,
        longest_answer(settings, "judge"),
        measures.repair + user,
    )
    return stage_cost(models, PRUNE.name, calls, usage, 2 * search.votes, each and search.votes * each)

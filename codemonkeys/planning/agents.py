"""What agents cost: many short calls on a history that grows to its limit and is mostly read from the cache."""

from __future__ import annotations

from codemonkeys.agent.branching import SAMPLED
from codemonkeys.engine.bounds import MESSAGE_TOKENS
from codemonkeys.models.base import Usage
from codemonkeys.models.roles import longest_answer
from codemonkeys.planning.conversations import AGENT_PROFILE
from codemonkeys.planning.distilling import told_of_earlier
from codemonkeys.planning.measures import Measures
from codemonkeys.planning.models import PlannedModels
from codemonkeys.planning.stage_cost import CONTEXT_SHARE, FEWER_TOKENS, StageCost, stage_cost
from codemonkeys.settings import Settings
from codemonkeys.stages import AGENT, BRANCH

REWRITTEN = 0.5
"""Share of a full history that is written to the cache anew when its oldest outputs are replaced."""


def agent_cost(measures: Measures, settings: Settings, models: PlannedModels) -> StageCost:
    """Estimated cost of the agents of a task."""
    count, steps = settings.generation.count("agent"), settings.agent.steps
    if not count:
        return stage_cost(models, AGENT.name, 0.0, Usage(), 0, 0.0)
    shown = {"none": 0, "paths": measures.paths, "files": min(settings.context.tokens, measures.source)}
    system = measures.systems[AGENT.name] + shown[settings.agent.context]
    # A context is not always full; paths are few.
    left = round((1 - CONTEXT_SHARE) * shown["files"]) if settings.agent.context == "files" else 0
    usual = system - left
    calls, usage = _typical(count, steps, usual, settings.agent.history_tokens)
    each = _most(measures, settings, models, system + told_of_earlier(settings))
    return stage_cost(models, AGENT.name, calls, usage, count * steps, None if each is None else count * each)


def branch_cost(measures: Measures, settings: Settings, models: PlannedModels) -> StageCost:
    """Estimated cost of the answers that are sampled to find where agents disagree, each on a cached history."""
    count = settings.generation.count("agent") if settings.generation.branch else 0
    calls, most = SAMPLED * -(-max(0, count - 1) // 2), SAMPLED * max(0, count - 1)
    if not calls:
        return stage_cost(models, BRANCH.name, 0.0, Usage(), 0, 0.0)
    agents = agent_cost(measures, settings, models)
    read = round(agents.usage.prompt_tokens / max(agents.calls, 1.0))
    answer = longest_answer(settings, "writer")
    system = measures.systems[AGENT.name] + measures.paths + min(settings.context.tokens, measures.source)
    longest = max(settings.agent.history_tokens, system) + measures.users[AGENT.name] + told_of_earlier(settings)
    longest += 6 * settings.sandbox.output_characters + 4 * answer
    each = models.most(BRANCH.name, [(longest, answer)])
    usage = Usage(calls * read, calls * AGENT_PROFILE.answer, calls * read, 0)
    return stage_cost(models, BRANCH.name, calls, usage, most, None if each is None else most * each)


def _typical(count: int, steps: int, system: int, longest: int) -> tuple[float, Usage]:
    """Expected number of calls, and their tokens; all but the first agent find the system message cached."""
    profile = AGENT_PROFILE
    grown = profile.answer + profile.reply
    calls, read, written, history = 0.0, 0.0, 0.0, float(profile.first)
    for step in range(steps):
        share = profile.share(step)
        calls += share
        new = float(profile.first if step == 0 else grown)
        history += grown if step else 0
        if system + history > max(longest, system + grown):
            history *= 1 - REWRITTEN
            new = history
        read += share * (system + history - new)
        written += share * new
    cache_read, cache_write = round(count * read - system), round(count * written + system)
    completion = round(count * calls * profile.answer)
    return count * calls, Usage(cache_read + cache_write, completion, cache_read, cache_write)


def _most(measures: Measures, settings: Settings, models: PlannedModels, system: float) -> float | None:
    """Upper bound of one agent: all steps, nothing cached, answers and outputs as long as they may be."""
    answer = longest_answer(settings, "writer")
    # Two outputs for its commands, two of its test script, the failures of the repository's tests, its patch.
    outputs = (4 + settings.generation.repository_tests) * settings.sandbox.output_characters
    reply = measures.users[AGENT.name] + outputs + 2 * answer * FEWER_TOKENS
    grown = answer * FEWER_TOKENS + reply + 2 * MESSAGE_TOKENS
    full = max(settings.agent.history_tokens, system) + grown
    prompts = [min(system + step * grown, full) + reply for step in range(settings.agent.steps)]
    bound = models.most(AGENT.name, [(prompt, answer) for prompt in prompts])
    last = models.most(AGENT.name, [(full + reply, answer)])
    if settings.agent.usd is None or bound is None or last is None:
        return bound
    # The limit is seen to after a step: what it reaches beyond is one call.
    return min(bound, settings.agent.usd + last)

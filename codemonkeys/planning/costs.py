"""Cost estimate of a task by stage: the expected cost and the upper bound."""

from __future__ import annotations

from dataclasses import replace

from codemonkeys.compute.policies import verified
from codemonkeys.context.ranking import rankings_of
from codemonkeys.models.base import Usage
from codemonkeys.models.batch_prices import USUAL
from codemonkeys.models.roles import longest_answer
from codemonkeys.planning.agents import agent_cost, branch_cost
from codemonkeys.planning.conversations import (
    EDIT_PROFILE,
    JUDGE_PROFILE,
    PATCH,
    SELECT_PROFILE,
    TEST_PROFILE,
    ConversationProfile,
    Conversations,
)
from codemonkeys.planning.distilling import compare_cost, distill_cost, told_of_earlier
from codemonkeys.planning.experience import Experience
from codemonkeys.planning.layers import candidates_of, critique_cost, rerank_cost, told_of_candidates
from codemonkeys.planning.measures import Measures
from codemonkeys.planning.models import PlannedModels
from codemonkeys.planning.searching import MAX_SUMMARY, added, prune_cost, pruned_edits
from codemonkeys.planning.stage_cost import (
    CONTEXT_SHARE,
    EVIDENCE,
    FAILURES,
    FEWER_TOKENS,
    TOUCHED,
    StageCost,
    stage_cost,
    total,
    upper_bound,
)
from codemonkeys.planning.tournaments import tournament_cost
from codemonkeys.selection.deciding import (
    ModelEvidence,
    add_ballots,
    add_beliefs,
    add_conversation,
    add_shortlist_beliefs,
    model_evidence_for,
)
from codemonkeys.settings import Settings
from codemonkeys.stages import (
    AGENT,
    BALLOT,
    BRANCH,
    COMPARE,
    CRITIQUE,
    DIGEST,
    DISTILL,
    EDIT,
    FUSE,
    JUDGE,
    PRUNE,
    RANK,
    RELEVANCE,
    RERANK,
    SELECT,
    TEST,
    TOURNAMENT,
)

RANK_ANSWER = 530
RELEVANT_FILES = 46
"""Number of relevant files, which the ranking sees."""
SUMMARY = 50
RELEVANCE_ANSWER = 30
"""Per file; recorded conversations have 22 to 32 tokens."""
KEPT_BY_OUTLINE = 0.1
"""Share of files that are not ruled out by their outline."""
DIGEST_LENGTH = 0.1
"""Tokens of a digest per token of its outline; measured by `benchmarks/context_tokens.py`."""
DIGEST_ANSWER = 60
"""Per definition: 25 words."""
PAPER_SOURCE = 2_940_000
"""Tokens of a task's source files if no repository is on this machine."""


def costs(
    measures: Measures, settings: Settings, models: PlannedModels, experience: Experience | None = None
) -> dict[str, StageCost]:
    """Estimated cost of every stage of a task, by stage name.

    `experience`: what the expected figures are taken from, as far as it has the stage.
    """
    verifications, settings = verified(settings)
    evidence = model_evidence_for(settings.selection.rule)
    ballots = settings.selection.ballots if evidence is add_ballots else 0
    found = {
        DIGEST.name: _digest(measures, settings, models),
        RELEVANCE.name: _relevance(measures, settings, models),
        RANK.name: _rank(measures, settings, models),
        TEST.name: _test(measures, settings, models, verifications),
        EDIT.name: _edit(measures, settings, models),
        AGENT.name: agent_cost(measures, settings, models),
        BRANCH.name: branch_cost(measures, settings, models),
        PRUNE.name: prune_cost(measures, settings, models),
        DISTILL.name: distill_cost(measures, settings, models),
        COMPARE.name: compare_cost(measures, settings, models),
        CRITIQUE.name: critique_cost(measures, settings, models),
        RERANK.name: rerank_cost(measures, settings, models),
        FUSE.name: _fuse(measures, settings, models),
        JUDGE.name: _judge(measures, settings, models),
        BALLOT.name: _select(measures, settings, models, BALLOT.name, ballots),
        TOURNAMENT.name: tournament_cost(measures, settings, models),
        SELECT.name: _select(measures, settings, models, SELECT.name, int(evidence is add_conversation)),
    }
    if not settings.shows_files:
        found |= dict.fromkeys((DIGEST.name, RELEVANCE.name, RANK.name), StageCost())
    found = {name: _learned(name, cost, settings, models, experience) for name, cost in found.items()}
    for stage in settings.operation.batch.stages:  # The upper bound stays: what a batch does not answer goes out alone.
        expected = found[stage].expected_usd
        found[stage] = replace(found[stage], expected_usd=None if expected is None else USUAL * expected)
    return found


def _learned(
    name: str, cost: StageCost, settings: Settings, models: PlannedModels, experience: Experience | None
) -> StageCost:
    """The cost of a stage with expected figures as they were in an earlier run, where it had this stage."""
    learned = experience.of(name, settings) if experience is not None and cost.most_calls else None
    if learned is None:
        return cost
    calls, usage = learned
    return replace(cost, calls=calls, usage=usage, expected_usd=models.expected(name, calls, usage))


def _relevance(measures: Measures, settings: Settings, models: PlannedModels) -> StageCost:
    longest = longest_answer(settings, "scan")
    calls = prompt = completion = 0.0
    most_calls = 0
    most_usd: float | None = 0.0
    first = DIGEST_LENGTH if measures.digests else 1.0
    for number, batches in enumerate(measures.passes):
        share = KEPT_BY_OUTLINE if number else first
        calls += share * len(batches)
        prompt += share * sum(measures.systems[RELEVANCE.name] + batch.prompt for batch in batches)
        completion += share * sum(batch.files * RELEVANCE_ANSWER for batch in batches)
        most_calls += 2 * len(batches)
        for batch in batches:
            each = upper_bound(
                models, RELEVANCE.name, measures.systems[RELEVANCE.name], batch.prompt, 2, longest, measures.repair
            )
            most_usd = total(most_usd, each)
    return stage_cost(models, RELEVANCE.name, calls, Usage(round(prompt), round(completion)), most_calls, most_usd)


def _digest(measures: Measures, settings: Settings, models: PlannedModels) -> StageCost:
    """Assumes that no digest is cached."""
    batches, system = measures.digests, measures.systems[DIGEST.name]
    prompt = sum(system + batch.prompt for batch in batches)
    completion = sum(batch.files for batch in batches) * DIGEST_ANSWER
    most_usd: float | None = 0.0
    for batch in batches:
        most_usd = total(
            most_usd,
            upper_bound(
                models, DIGEST.name, system, batch.prompt, 2, longest_answer(settings, "scan"), measures.repair
            ),
        )
    return stage_cost(models, DIGEST.name, len(batches), Usage(prompt, completion), 2 * len(batches), most_usd)


def _rank(measures: Measures, settings: Settings, models: PlannedModels) -> StageCost:
    count = rankings_of(settings) if measures.files > 1 else 0
    listed = min(measures.files, RELEVANT_FILES) * (SUMMARY + 15)
    profile = ConversationProfile((1, 0), RANK_ANSWER, measures.users[RANK.name], 0)
    typical = Conversations(count, 1, measures.systems[RANK.name] + listed, measures.users[RANK.name], profile)
    calls, usage = typical.usage()
    system = measures.systems[RANK.name] + measures.paths + measures.files * MAX_SUMMARY
    each = upper_bound(
        models,
        RANK.name,
        system,
        measures.users[RANK.name],
        2,
        longest_answer(settings, "primary"),
        measures.users[RANK.name],
    )
    return stage_cost(models, RANK.name, calls, usage, 2 * count, None if each is None else count * each)


def _test(measures: Measures, settings: Settings, models: PlannedModels, verifications: int) -> StageCost:
    """`verifications`: conversations beside those of trajectories."""
    generation, output = settings.generation, settings.sandbox.output_characters
    system, shown, paths = measures.systems[TEST.name], 0, 0
    if not generation.early_tests:
        shown, paths = min(settings.context.test_tokens, measures.source + measures.tests), measures.paths
    samples = generation.count("edit") + verifications
    typical = Conversations(samples, generation.test_turns, system + shown, TEST_PROFILE.first, TEST_PROFILE)
    reply = measures.users[TEST.name] + output
    each = upper_bound(
        *(models, TEST.name),
        system + shown + paths,
        measures.users[TEST.name],
        generation.test_turns,
        longest_answer(settings, "writer"),
        reply,
    )
    calls, usage = typical.usage()
    return stage_cost(
        models, TEST.name, calls, usage, samples * generation.test_turns, None if each is None else samples * each
    )


def _edit(measures: Measures, settings: Settings, models: PlannedModels) -> StageCost:
    told, pruned = told_of_earlier(settings), pruned_edits(settings)
    return _edits(measures, settings, models, EDIT.name, settings.generation.count("edit"), told, pruned)


def _fuse(measures: Measures, settings: Settings, models: PlannedModels) -> StageCost:
    generation = settings.generation
    told = told_of_candidates(generation.fuse_best)
    return _edits(measures, settings, models, FUSE.name, generation.layers.count("fuse"), told)


def _edits(
    measures: Measures,
    settings: Settings,
    models: PlannedModels,
    stage: str,
    samples: int,
    told: int,
    pruned: int = 0,
) -> StageCost:
    """`told`: maximum tokens about other candidates in a first message. `pruned`: samples that end with a first edit.

    The upper bound is as if there were none: a first edit may come in the last turn.
    """
    generation, output = settings.generation, settings.sandbox.output_characters
    fullest = min(settings.context.tokens, measures.source + measures.tests)
    typical_context = min(round(CONTEXT_SHARE * settings.context.tokens), measures.source)
    system = measures.systems[EDIT.name]
    shown = (system + typical_context, EDIT_PROFILE.first, EDIT_PROFILE)
    whole = Conversations(samples - pruned, generation.edit_turns, *shown).usage()
    begun = Conversations(pruned, 1, *shown).usage()
    script = longest_answer(settings, "writer") * FEWER_TOKENS
    patch = 2 * script
    each = upper_bound(
        *(models, stage),
        system + fullest + measures.paths,
        measures.users[EDIT.name] + script + output + told,
        generation.edit_turns,
        longest_answer(settings, "writer"),
        measures.users[EDIT.name] + patch + (2 + generation.repository_tests) * output,
    )
    most = None if each is None else samples * each
    return stage_cost(models, stage, *added(whole, begun), samples * generation.edit_turns, most)


def _judge(measures: Measures, settings: Settings, models: PlannedModels) -> StageCost:
    selection = settings.selection
    asked: dict[ModelEvidence | None, int] = {
        add_beliefs: candidates_of(settings),
        add_shortlist_beliefs: min(selection.candidates, candidates_of(settings)),
    }
    count = selection.judge_samples * asked.get(model_evidence_for(selection.rule), 0)
    system = measures.systems[JUDGE.name] + min(TOUCHED, measures.source)
    calls, usage = Conversations(count, 1, system, measures.users[JUDGE.name] + PATCH, JUDGE_PROFILE).usage()
    touched = min(settings.context.tokens, measures.source) + measures.paths
    patch = 2 * longest_answer(settings, "writer") * FEWER_TOKENS
    each = upper_bound(
        *(models, JUDGE.name),
        measures.systems[JUDGE.name] + touched,
        measures.users[JUDGE.name] + patch,
        1,
        longest_answer(settings, "judge"),
        0,
    )
    return stage_cost(models, JUDGE.name, calls, usage, count, None if each is None else count * each)


def _select(measures: Measures, settings: Settings, models: PlannedModels, stage: str, count: int) -> StageCost:
    """`count`: number of selection conversations."""
    selection, output = settings.selection, settings.sandbox.output_characters
    finalists = min(selection.candidates, candidates_of(settings))
    turns = selection.turns if finalists > 1 and count else 0
    prompt = min(TOUCHED, measures.source) + finalists * PATCH + TEST_PROFILE.answer
    prompt += min(EVIDENCE, selection.evidence_tokens)
    typical = Conversations(count, turns, measures.systems[SELECT.name] + prompt, SELECT_PROFILE.first, SELECT_PROFILE)
    script = longest_answer(settings, "writer") * FEWER_TOKENS
    touched = min(settings.context.tokens, measures.source) + measures.paths
    each = upper_bound(
        *(models, stage),
        measures.systems[SELECT.name] + touched + finalists * 2 * script + script,
        measures.users[SELECT.name] + finalists * FAILURES + selection.evidence_tokens,
        turns,
        longest_answer(settings, "judge"),
        measures.users[SELECT.name] + (1 + finalists) * output,
    )
    calls, usage = typical.usage()
    return stage_cost(models, stage, calls, usage, count * turns, None if each is None else count * each)

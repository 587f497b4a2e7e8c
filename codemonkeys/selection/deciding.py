"""Decides a task: collects the model evidence that the selection rule needs, then ranks the candidates by it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from codemonkeys.engine.work import Work
from codemonkeys.errors import BadSettings, BudgetReached, FilteredAnswer, RejectedRequest
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.distilling import distill
from codemonkeys.repository_tests.runners import AUTO, RUNNERS
from codemonkeys.selection.agreement import support
from codemonkeys.selection.asking import counts_samples, judge_candidates, vote_by_ballots
from codemonkeys.selection.collect_evidence import SelectionInput, collect_evidence, expand_classes
from codemonkeys.selection.conversation import converse, example_test, make_finalists
from codemonkeys.selection.evidence import Evidence, Ranking, ScriptOutcome
from codemonkeys.selection.rules import EXECUTION, RULES, find_rule
from codemonkeys.selection.tournament import as_signals, play
from codemonkeys.settings import SelectionSettings

MODEL_FIELDS = frozenset({"scores", "ballots", "conversation", "matches"})
"""Fields of Evidence that take model calls to fill."""
OF_SHORTLIST = "matches"
"""The one of them by which a shortlist can be ranked."""


class Choice(NamedTuple):
    """The candidate to submit, and the reason."""

    number: int | None
    """None: no candidate can be trusted."""
    patch: str
    reason: str


def check_rules(settings: SelectionSettings, together: bool = False) -> None:
    """Raise BadSettings for a rule that cannot decide a single task, or a test runner that is not there.

    `together`: the rule decides all tasks at once.
    """
    if settings.test_runner != AUTO:
        RUNNERS.get(settings.test_runner)
    for setting, name in (("rule", settings.rule), ("shortlist", settings.shortlist)):
        rule = find_rule(name, f"selection.{setting}={name}")
        if rule.pooled and not (together and setting == "rule"):
            raise BadSettings(
                f"selection.{setting}={name} learns from many tasks at once, so it cannot decide a single task; "
                "choose another rule, or compare it with the others in `codemonkeys study`"
            )
        if setting == "shortlist" and MODEL_FIELDS.intersection(rule.needs) - {OF_SHORTLIST}:
            raise BadSettings(
                f"selection.{setting}={name} asks a model, but the shortlist is ranked before such calls; "
                "choose a rule over tests or texts, or tournament"
            )


async def select(
    work: Work, candidates: Sequence[Candidate], tests: Sequence[str] = (), before: Sequence[str] = ()
) -> Choice:
    """Select one of a task's candidates: collect evidence, then decide. `tests`, `before`: as for the evidence."""
    return await decide(work, await collect_evidence(work, candidates, tests, before))


async def decide(work: Work, inputs: SelectionInput) -> Choice:
    """Decide by `selection.rule`; if that abstains or fails, take the first of the shortlist.

    Raises BudgetReached for a named choice alone: it can wait for money, and the run has its own.
    """
    settings = work.settings.selection
    evidence, failed = inputs.evidence, ""
    try:
        for collect in collectors(settings):
            order = complete_ranking(evidence, shortlist_ranking(settings, evidence))
            if len(order) > 1:
                evidence = await collect(work, replace(inputs, evidence=evidence), order)
    except (BudgetReached, FilteredAnswer, RejectedRequest) as error:
        if work.journal.choice and isinstance(error, BudgetReached):
            raise
        failed = f"the model could not continue: {error}"
    return conclude(settings, evidence, failed)


def shortlist_ranking(settings: SelectionSettings, evidence: Evidence) -> Ranking:
    """The candidates by `selection.shortlist`; by tests alone as long as that lacks answers of a model."""
    rule = find_rule(settings.shortlist)
    ranking = rule.rank(evidence)
    return RULES[EXECUTION].rank(evidence) if not ranking.order and OF_SHORTLIST in rule.needs else ranking


def conclude(settings: SelectionSettings, evidence: Evidence, failed: str = "") -> Choice:
    """What `selection.rule` and, behind it, the shortlist choose by evidence. `failed`: why a model gave none of it."""
    shortlist = shortlist_ranking(settings, evidence)
    order = complete_ranking(evidence, shortlist)
    if len(order) == 1:
        return choose(evidence, order[0], "the only distinct candidate")
    ranking = Ranking((), 0.0, failed) if failed else find_rule(settings.rule).rank(evidence)
    if ranking.order:
        return choose(evidence, evidence.classes[ranking.order[0]], ranking.reason)
    first = shortlist.reason if shortlist.order else "most like the others"
    return choose(evidence, order[0], f"{first}, as {ranking.reason}")


def complete_ranking(evidence: Evidence, ranking: Ranking) -> list[int]:
    """All distinct candidates: ranked ones first, then the others by similarity to all candidates."""
    similarity = support(evidence, {})
    others = sorted(set(evidence.classes), key=lambda index: (-similarity[index], len(evidence.patches[index]), index))
    return list(dict.fromkeys([*(evidence.classes[index] for index in ranking.order), *others]))


def choose(evidence: Evidence, index: int, reason: str) -> Choice:
    """Choose the candidate at a position."""
    if evidence.edited and ScriptOutcome.UNTRUSTED in evidence.edited[index]:
        reason += "; it failed its control"
    return Choice(index + 1, evidence.patches[index], reason)


async def add_conversation(work: Work, inputs: SelectionInput, order: Sequence[int]) -> Evidence:
    """Add the result of a selection conversation about the shortlist."""
    settings = work.settings.selection
    shortlist = order[: settings.candidates]
    if len(shortlist) == 1 or settings.turns == 0:
        return inputs.evidence
    finalists = make_finalists(inputs, shortlist)
    number = await converse(work, inputs, finalists, example_test(work, inputs, finalists, shortlist[0]))
    await work.signals({"conversation": {0: (number, "")}})
    return replace(inputs.evidence, conversation=(None if number is None else number - 1,))


async def add_beliefs(work: Work, inputs: SelectionInput, order: Sequence[int]) -> Evidence:
    """Add a judge's belief in every candidate."""
    beliefs = await judge_candidates(work, inputs, order)
    by_number = {index + 1: belief for index, belief in beliefs.items()}
    scores = expand_classes(inputs.evidence.classes, by_number)
    return replace(inputs.evidence, scores=scores, by_samples=await counts_samples(work))


async def add_shortlist_beliefs(work: Work, inputs: SelectionInput, order: Sequence[int]) -> Evidence:
    """Add a judge's belief in the candidates of the shortlist."""
    return await add_beliefs(work, inputs, order[: work.settings.selection.candidates])


async def add_ballots(work: Work, inputs: SelectionInput, order: Sequence[int]) -> Evidence:
    """Add ballots on the shortlist."""
    shortlist = order[: work.settings.selection.candidates]
    return replace(inputs.evidence, ballots=await vote_by_ballots(work, inputs, shortlist))


async def add_matches(work: Work, inputs: SelectionInput, order: Sequence[int], until: int = 1) -> Evidence:
    """Add the matches of a tournament of all candidates, until at most `until` are left."""
    if work.settings.generation.diversity == "distill" and not work.journal.choice:
        await distill(work, [numbered.candidate.sample for numbered in inputs.matrix.candidates])
    matches = await play(work, inputs, order, until)
    await work.signals({"match": as_signals(matches)})
    return replace(inputs.evidence, matches=matches)


async def add_matches_for_shortlist(work: Work, inputs: SelectionInput, order: Sequence[int]) -> Evidence:
    """Add the matches that tell which candidates are on the shortlist."""
    return await add_matches(work, inputs, order, work.settings.selection.candidates)


ModelEvidence = Callable[[Work, SelectionInput, Sequence[int]], Awaitable[Evidence]]
"""Adds evidence by model calls; the sequence holds all distinct candidates, best first."""

MODEL_EVIDENCE: dict[str, ModelEvidence] = {
    "conversation": add_conversation,
    "judge": add_beliefs,
    "hybrid": add_beliefs,
    "top judge": add_shortlist_beliefs,
    "ballots": add_ballots,
    "tournament": add_matches,
}
"""By built-in rule."""

_BY_FIELD: dict[str, ModelEvidence] = {
    "conversation": add_conversation,
    "scores": add_beliefs,
    "ballots": add_ballots,
    "matches": add_matches,
}
"""For any other rule, by the field of Evidence that it needs."""


def model_evidence_for(name: str) -> ModelEvidence | None:
    """The model evidence that a rule needs; None for a rule that calls no model. Raises BadSettings."""
    if name in MODEL_EVIDENCE:
        return MODEL_EVIDENCE[name]
    return next((_BY_FIELD[need] for need in find_rule(name).needs if need in _BY_FIELD), None)


def collectors(settings: SelectionSettings) -> tuple[ModelEvidence, ...]:
    """What models are asked for, in order: what ranks the shortlist, then what the rule needs of it.

    A rule that calls no model needs no shortlist, but where it abstains: then tests alone rank it.
    """
    of_rule = model_evidence_for(settings.rule)
    if of_rule is None:
        return ()
    ranks = OF_SHORTLIST in find_rule(settings.shortlist).needs and of_rule is not add_matches
    return (add_matches_for_shortlist, of_rule) if ranks else (of_rule,)


def rule_without_models(settings: SelectionSettings) -> str:
    """The rule by which single tasks are decided until a rule that learns from all of them can be."""
    return EXECUTION if OF_SHORTLIST in find_rule(settings.shortlist).needs else settings.shortlist

"""The decision of a task: a rule orders the candidates, and a model is asked where the rule is one that asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from codemonkeys.engine.work import Work
from codemonkeys.errors import BadSettings, BudgetReached, FilteredAnswer, RejectedRequest
from codemonkeys.generation.candidate import Candidate
from codemonkeys.selection.agreement import support
from codemonkeys.selection.asking import judge_candidates, vote_by_ballots
from codemonkeys.selection.collect_evidence import SelectionInput, collect_evidence, of_classes
from codemonkeys.selection.conversation import converse, example_test, finalists_of
from codemonkeys.selection.evidence import Evidence, Ranking
from codemonkeys.selection.rules import find_rule
from codemonkeys.settings import SelectionSettings

ASKED = frozenset({"scores", "ballots", "conversation"})
"""Fields of Evidence that only a model can fill."""


class Choice(NamedTuple):
    """Which candidate is submitted, and how that was decided."""

    number: int | None
    """None: none of the candidates is to be trusted."""
    patch: str
    reason: str


def check_rules(settings: SelectionSettings) -> None:
    """Raise BadSettings for a rule that one task cannot be decided by."""
    for setting, name in (("rule", settings.rule), ("shortlist", settings.shortlist)):
        rule = find_rule(name, f"selection.{setting}={name}")
        if rule.pooled:
            raise BadSettings(
                f"selection.{setting}={name} learns from many tasks at once, so it cannot decide one while it is "
                "solved; take another, or compare it with the others by `codemonkeys study`"
            )
        if setting == "shortlist" and ASKED.intersection(rule.needs):
            raise BadSettings(
                f"selection.{setting}={name} asks a model, and a shortlist is made before one is asked; "
                "take a rule over tests or texts"
            )


async def select(work: Work, candidates: Sequence[Candidate], tests: Sequence[str] = ()) -> Choice:
    """Choose one of a task's candidates: run the votes, then decide. `tests`: scripts beside the candidates' own."""
    return await decide(work, await collect_evidence(work, candidates, tests))


async def decide(work: Work, gathered: SelectionInput) -> Choice:
    """Decide by `selection.rule`; where it comes to no answer, the first of the shortlist."""
    settings = work.settings.selection
    evidence = gathered.evidence
    shortlist = find_rule(settings.shortlist).rank(evidence)
    everyone = ranked(evidence, shortlist)
    if len(everyone) == 1:
        return choice(evidence, everyone[0], "the only distinct candidate")
    failed = ""
    if ask := asking(settings.rule):
        try:
            evidence = await ask(work, gathered, everyone)
        except (BudgetReached, FilteredAnswer, RejectedRequest) as error:
            failed = f"the model could not go on: {error}"
    ranking = Ranking((), 0.0, failed) if failed else find_rule(settings.rule).rank(evidence)
    if ranking.order:
        return choice(evidence, evidence.classes[ranking.order[0]], ranking.reason)
    first = shortlist.reason if shortlist.order else "most like the others"
    return choice(evidence, everyone[0], f"{first}, as {ranking.reason}")


def ranked(evidence: Evidence, ranking: Ranking) -> list[int]:
    """All distinct candidates: those of a ranking in its order, then the others, those most like the others first."""
    alike = support(evidence, {})
    others = sorted(set(evidence.classes), key=lambda index: (-alike[index], len(evidence.patches[index]), index))
    return list(dict.fromkeys([*(evidence.classes[index] for index in ranking.order), *others]))


def choice(evidence: Evidence, index: int, reason: str) -> Choice:
    """The candidate at a position, as a choice."""
    return Choice(index + 1, evidence.patches[index], reason)


async def held(work: Work, gathered: SelectionInput, everyone: Sequence[int]) -> Evidence:
    """With what the selection conversation chose of the shortlist."""
    settings = work.settings.selection
    shortlist = everyone[: settings.candidates]
    if len(shortlist) == 1 or settings.turns == 0:
        return gathered.evidence
    example = example_test(gathered, shortlist[0])
    number = await converse(work, gathered, finalists_of(gathered, shortlist), example)
    await work.signals({"conversation": {0: (number, "")}})
    return replace(gathered.evidence, conversation=(None if number is None else number - 1,))


async def judged(work: Work, gathered: SelectionInput, everyone: Sequence[int]) -> Evidence:
    """With a judge's belief in every candidate."""
    beliefs = await judge_candidates(work, gathered, everyone)
    of_first = {index + 1: belief for index, belief in beliefs.items()}
    return replace(gathered.evidence, scores=of_classes(gathered.evidence.classes, of_first))


async def judged_at_the_top(work: Work, gathered: SelectionInput, everyone: Sequence[int]) -> Evidence:
    """With a judge's belief in those of the shortlist."""
    return await judged(work, gathered, everyone[: work.settings.selection.candidates])


async def balloted(work: Work, gathered: SelectionInput, everyone: Sequence[int]) -> Evidence:
    """With ballots that chose among the shortlist."""
    shortlist = everyone[: work.settings.selection.candidates]
    return replace(gathered.evidence, ballots=await vote_by_ballots(work, gathered, shortlist))


Asking = Callable[[Work, SelectionInput, Sequence[int]], Awaitable[Evidence]]

ASKING: dict[str, Asking] = {
    "conversation": held,
    "judge": judged,
    "hybrid": judged,
    "top judge": judged_at_the_top,
    "ballots": balloted,
}
"""What the rules that need a model's answers ask before they decide, of all distinct candidates in their order."""

_ASKING_FOR: dict[str, Asking] = {"conversation": held, "scores": judged, "ballots": balloted}
"""The same for any other rule, by the evidence that it needs."""


def asking(name: str) -> Asking | None:
    """What a rule has a model asked before it decides; None for a rule that calls no model. Raises BadSettings."""
    if name in ASKING:
        return ASKING[name]
    return next((_ASKING_FOR[need] for need in find_rule(name).needs if need in _ASKING_FOR), None)

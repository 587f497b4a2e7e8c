"""What selection rules, and the choices that were made, come to on a stored run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codemonkeys.report.statistics import (
    Interval,
    TaskScore,
    Verdict,
    bootstrap,
    bootstrap_of,
    oracle,
    random_score,
    recovery,
    score,
)
from codemonkeys.report.stored_run import Cost, StoredRun
from codemonkeys.selection.evidence import Evidence, Ranking
from codemonkeys.selection.rules import EITHER_TESTS, Rule
from codemonkeys.selection.rules_base import candidates
from codemonkeys.stages import STAGES

STAGES_OF_EVIDENCE: Mapping[str, tuple[str, ...]] = {
    kind: tuple(stage.name for stage in STAGES.values() if kind in stage.evidence)
    for kind in ("edited", "breaks", "scores", "ballots", "conversation", "matches")
}
"""Stages that produce each kind of evidence."""
AS_RUN = "as the run chose"
CHOICE = "choice "
"""Before the name of a named choice."""
SHARED = ("edited", "breaks")
"""Evidence that a named choice shares with the run."""
OPTIONAL_EVIDENCE: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(EITHER_TESTS, ("edited", "breaks")),
    "weaver": ("edited", "breaks", "scores"),
    "weaver of families": ("edited", "breaks", "scores"),
}
"""Evidence that a rule uses if available but does not need."""


@dataclass(frozen=True)
class RuleResult:
    """Result of a rule on the stored evidence."""

    name: str
    source: str
    score: Interval | None
    """Share of tasks whose first choice is correct, over those where that is known; None without verdicts."""
    scored: int
    """Number of these tasks."""
    recovered: Interval | None
    """Share of the gap from random to oracle that the rule closes, over tasks whose candidates all have a verdict."""
    abstained: int
    """Number of tasks with candidates on which it abstained; they count as not resolved."""
    as_run: float
    """Share of tasks on which it agrees with the run's choice."""
    confidence: float | None
    """Mean over tasks with a choice, on the rule's own scale; None for the run's choices and without a choice."""
    cost: Cost
    """Cost of the evidence it needs."""


def first_choice(ranking: Ranking, evidence: Evidence) -> Ranking:
    """A rule's ranking; if it abstains on a single distinct candidate, that candidate: there is nothing to decide."""
    distinct = candidates(evidence)
    return (
        ranking if ranking.order or len(distinct) != 1 else Ranking((distinct[0],), ranking.confidence, "the only one")
    )


def rule_result(
    name: str,
    source: str,
    ranked: Mapping[str, Ranking],
    run: StoredRun,
    used: Sequence[str],
    labels: Mapping[str, Sequence[Verdict]],
    cost: Cost,
) -> RuleResult:
    """The result of one rule. `used`: the tasks with candidates that count; of `labels`, verdicts may be unknown."""
    known = [outcome for task in used if (outcome := outcome_of(ranked[task], labels.get(task))) is not None]
    known += [0.0] * len(run.without) if known else []
    scored = [
        TaskScore(random_score(verdicts), float(score(ranked[task], verdicts)), float(oracle(verdicts)))
        for task in used
        if (verdicts := labels.get(task)) is not None and None not in verdicts
    ]
    scored += [TaskScore(0.0, 0.0, 0.0)] * len(run.without) if scored else []
    chosen = [task for task in used if ranked[task].order]
    classes = {task: run.evidence[task].classes for task in used}
    same = [
        task
        for task in chosen
        if (own := run.choices.get(task)) is not None and classes[task][ranked[task].order[0]] == classes[task][own]
    ]
    sure = [ranked[task].confidence for task in chosen]
    return RuleResult(
        name=name,
        source=source,
        score=bootstrap(known) if known else None,
        scored=len(known),
        recovered=bootstrap_of(scored, recovery) if scored else None,
        abstained=len(used) - len(chosen),
        as_run=len(same) / len(used) if used else 0.0,
        confidence=sum(sure) / len(sure) if sure and is_rule(name) else None,
        cost=cost,
    )


def outcome_of(ranking: Ranking, verdicts: Sequence[Verdict] | None) -> float | None:
    """Whether a first choice is correct; None if nobody knows. To abstain is never correct."""
    if verdicts is None or all(verdict is None for verdict in verdicts):
        return None
    verdict = verdicts[ranking.order[0]] if ranking.order else False
    return None if verdict is None else float(verdict)


def is_rule(name: str) -> bool:
    """Whether a result is a rule's on the stored evidence, and not a choice that was made."""
    return name != AS_RUN and not name.startswith(CHOICE)


def choice_results(
    run: StoredRun, labels: Mapping[str, Sequence[Verdict]], rules: Mapping[str, Rule]
) -> tuple[RuleResult, ...]:
    """The results of the run's named choices, each over the tasks that it has decided."""
    results = []
    for choice in run.named:
        used = [task for task in run.evidence if task in choice.choices]
        ranked = {task: stored_ranking(choice.choices[task]) for task in used}
        needs = rules[choice.rule].needs if choice.rule in rules else ()
        shared = cost_of([need for need in needs if need in SHARED], run)
        origin = f"{choice.rule}, asking {choice.model}" if choice.model else choice.rule
        cost = shared.plus(choice.cost)
        results += [rule_result(f"{CHOICE}{choice.name}", origin, ranked, run, used, labels, cost)] if used else []
    return tuple(results)


def stored_ranking(number: int | None) -> Ranking:
    """A choice that was made, as a ranking."""
    return Ranking((number,) if number is not None else (), 0.0, "")


def cost_of(needs: Sequence[str], run: StoredRun) -> Cost:
    """Cost of these kinds of evidence in the run."""
    total = Cost()
    for stage in dict.fromkeys(stage for need in needs for stage in STAGES_OF_EVIDENCE[need]):
        total = total.plus(run.costs.get(stage, Cost()))
    return total


def whole_cost(run: StoredRun) -> Cost:
    """Cost of all evidence that the run collected."""
    return cost_of(tuple(STAGES_OF_EVIDENCE), run)

"""Compares selection rules on what a run has stored, and tells what samples, turns, tests and verifiers are worth.

Without verdicts a study holds what can be said without labels. Everything here is a function of its arguments.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codemonkeys.report.diversity import Diversity, diversity_of
from codemonkeys.report.forecast import forecast
from codemonkeys.report.savings import Saving, saving
from codemonkeys.report.statistics import (
    Interval,
    Scored,
    Verdict,
    bootstrap,
    bootstrap_of,
    coverage,
    oracle,
    random_score,
    recovery,
    score,
    true_rates,
)
from codemonkeys.report.stored_run import Cost, StoredRun
from codemonkeys.report.tests_and_turns import TestsResult, TurnResult, by_turn, tests_result
from codemonkeys.report.verdict_sources import Verdicts
from codemonkeys.selection.evidence import Evidence, Ranking
from codemonkeys.selection.rules import EXECUTION, RULES, Rule
from codemonkeys.selection.rules_base import candidates
from codemonkeys.selection.weaver import estimate, verify
from codemonkeys.stages import STAGES

MADE_IN: Mapping[str, tuple[str, ...]] = {
    kind: tuple(stage.name for stage in STAGES.values() if kind in stage.evidence)
    for kind in ("edited", "breaks", "scores", "ballots", "conversation")
}
"""Stages of the run in which the evidence that a rule needs was made."""
AS_RUN = "as the run chose"
SYSTEMS = "the candidates are of different systems, not samples of one"
USES: Mapping[str, tuple[str, ...]] = {
    EXECUTION: ("edited", "breaks"),
    "weaver": ("edited", "breaks", "scores"),
    "weaver of families": ("edited", "breaks", "scores"),
}
"""Evidence that a rule uses where it is there, and does without where it is not."""
FORECAST_TASKS = 10
"""Graded tasks from which on a distribution of chances is fitted."""
FORECAST_FACTORS = (2, 3, 5, 10)
"""How many times the samples drawn a forecast looks ahead."""


@dataclass(frozen=True)
class RuleResult:
    """What a rule does on the stored evidence."""

    name: str
    source: str
    score: Interval | None
    """Share of tasks whose first choice is right; None without verdicts."""
    recovered: Interval | None
    """Share of the distance from random to oracle."""
    abstained: int
    """Tasks, of those with candidates, for which it chose none. They count as not resolved."""
    as_run: float
    """Share of tasks in which it chose what the run chose."""
    confidence: float | None
    """Mean, where it chose; on the rule's own scale. None where it has none."""
    cost: Cost
    """Of the evidence it needs."""


@dataclass(frozen=True)
class VerifierResult:
    """How often a verifier accepts right (TPR) and wrong (FPR) candidates, as estimated without labels, and truly."""

    name: str
    tpr: float | None
    fpr: float | None
    true_tpr: float | None
    true_fpr: float | None


@dataclass(frozen=True)
class Study:
    """All that is told of a run."""

    run: str
    rule: str
    tasks: int
    """That count: with candidates of whole evidence, or ended without any. With verdicts: graded ones only."""
    ungraded: int
    """Tasks left out because some candidate has no verdict."""
    incomplete: int
    """Tasks left out because their evidence is not whole."""
    random: Interval | None
    oracle: Interval | None
    rules: tuple[RuleResult, ...]
    unavailable: tuple[tuple[str, str], ...]
    """Rules that the run has no evidence for, and what is missing."""
    members: tuple[tuple[str, float], ...]
    """For candidates of several systems: the score of each of them alone, best first."""
    coverage: tuple[tuple[int, Interval], ...]
    """By number of samples."""
    forecast: tuple[tuple[int, Interval], ...]
    no_forecast: str
    """Why there is none; empty if there is."""
    turns: tuple[TurnResult, ...]
    turn_tasks: int
    """Tasks behind `turns`: those whose earlier edits all have a verdict."""
    diversity: Diversity | None
    """How much the samples differ, by wave and by model; None for an ensemble."""
    tests: TestsResult | None
    verifiers: tuple[VerifierResult, ...]
    share: tuple[float, float | None] | None
    """Right candidates among all: as estimated without labels, and truly."""
    saving: Saving | str
    """What stopping early would save, or why that cannot be told."""


def study(run: StoredRun, verdicts: Verdicts | None, rules: Mapping[str, Rule] = RULES) -> Study:
    """Compare rules, and with verdicts tell the rest too. Raises RuleFailed for a rule from outside."""
    labels = {} if verdicts is None else {task: verdicts.of_candidates(e) for task, e in run.evidence.items()}
    graded = [task for task, said in labels.items() if None not in said]
    used = graded if verdicts is not None else list(run.evidence)
    # A rule learns from everything that is stored, with a verdict or without: it never sees one.
    pool = list(run.evidence.values())
    fitted = {name: rule.fit(pool) for name, rule in rules.items()}
    rankings = {name: {task: rule.rank(e) for task, e in run.evidence.items()} for name, rule in fitted.items()}
    ranked = {
        name: {task: first_choice(ranking, run.evidence[task]) for task, ranking in of_tasks.items()}
        for name, of_tasks in rankings.items()
    }
    stored = {task: Ranking((number,) if number is not None else (), 0.0, "") for task, number in run.choices.items()}
    available = [name for name in rules if any(rankings[name][task].order for task in used)]
    known = [labels[task] for task in graded]
    counts = [(max(len(labels[task]), run.samples.get(task, 0)), sum(map(bool, labels[task]))) for task in graded]
    counts += [(run.samples.get(task, 0), 0) for task in run.without] if known else []
    exchangeable, why = can_forecast(run, counts)
    turns, turn_tasks = by_turn(run, labels, verdicts) if verdicts is not None else ((), 0)
    names, believed = estimate(pool, sources=False) if pool else ([], None)
    votes = [[row.get(name) for name in names] for task in used for row in verify(run.evidence[task], sources=False)]
    flat: list[Verdict] = [verdict for said in known for verdict in said]
    true = true_rates(votes, flat) if flat else [None] * len(names)
    most = max((n for n, _ in counts), default=0)
    return Study(
        run=run.name,
        rule=run.rule,
        tasks=len(used) + len(run.without),
        ungraded=len(labels) - len(graded),
        incomplete=len(run.incomplete),
        random=bootstrap([*map(random_score, known), *(0.0 for _ in run.without)]) if known else None,
        oracle=bootstrap([*(float(oracle(said)) for said in known), *(0.0 for _ in run.without)]) if known else None,
        rules=(
            *(
                rule_result(
                    name,
                    rules[name].source,
                    ranked[name],
                    run,
                    used,
                    labels,
                    cost_of(rules[name].needs or USES.get(name, ()), run),
                )
                for name in available
            ),
            *(
                [rule_result(AS_RUN, run.rule, stored, run, used, labels, whole_cost(run))]
                if all(task in stored for task in used) and used
                else []
            ),
        ),
        unavailable=tuple((name, rankings[name][used[0]].reason) for name in rules if name not in available and used),
        members=member_scores(run, labels, graded),
        coverage=tuple((k, coverage(counts, k)) for k in range(1, most + 1)),
        forecast=tuple(forecast(counts, [k * most for k in FORECAST_FACTORS]).items()) if exchangeable else (),
        no_forecast=why,
        turns=turns,
        turn_tasks=turn_tasks,
        diversity=diversity_of(run, used, labels),
        tests=tests_result([(run.evidence[task], labels.get(task)) for task in used]),
        verifiers=tuple(
            VerifierResult(
                name,
                believed.tpr[n] if believed else None,
                believed.fpr[n] if believed else None,
                *(rates if (rates := true[n]) else (None, None)),
            )
            for n, name in enumerate(names)
            if believed is None or believed.tpr[n] is not None
        ),
        share=(believed.share, sum(map(bool, flat)) / len(flat) if flat else None) if believed else None,
        saving=SYSTEMS if one_each(run) else saving(run, labels),
    )


def first_choice(ranking: Ranking, evidence: Evidence) -> Ranking:
    """A rule's answer; where there is one distinct candidate, that: nothing is left to decide."""
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
    """A rule's row. `used`: the tasks with candidates that count."""
    scored = [
        Scored(random_score(said := labels[task]), float(score(ranked[task], said)), float(oracle(said)))
        for task in used
        if task in labels
    ]
    scored += [Scored(0.0, 0.0, 0.0)] * len(run.without) if scored else []
    chosen = [task for task in used if ranked[task].order]
    classes = {task: run.evidence[task].classes for task in used}
    same = [
        task
        for task in chosen
        if (own := run.choices.get(task)) is not None and classes[task][ranked[task].order[0]] == classes[task][own]
    ]
    return RuleResult(
        name=name,
        source=source,
        score=bootstrap([task.selected for task in scored]) if scored else None,
        recovered=bootstrap_of(scored, recovery) if scored else None,
        abstained=len(used) - len(chosen),
        as_run=len(same) / len(used) if used else 0.0,
        confidence=sum(ranked[task].confidence for task in chosen) / len(chosen) if chosen and name != AS_RUN else None,
        cost=cost,
    )


def cost_of(needs: Sequence[str], run: StoredRun) -> Cost:
    """What the evidence of these kinds cost in the run."""
    total = Cost()
    for stage in dict.fromkeys(stage for need in needs for stage in MADE_IN[need]):
        total = total.plus(run.costs.get(stage, Cost()))
    return total


def whole_cost(run: StoredRun) -> Cost:
    """What all evidence that was gathered cost."""
    return cost_of(tuple(MADE_IN), run)


def member_scores(
    run: StoredRun, labels: Mapping[str, Sequence[Verdict]], graded: Sequence[str]
) -> tuple[tuple[str, float], ...]:
    """The score of each system alone, best first; none where all candidates are of one."""
    right: dict[str, int] = {}
    for task in graded:
        for source, verdict in zip(run.evidence[task].sources, labels[task], strict=False):
            right[source] = right.get(source, 0) + bool(verdict)
    total = len(graded) + len(run.without)
    scores = [(name, count / total) for name, count in right.items()] if one_each(run) else []
    return tuple(sorted(scores, key=lambda pair: (-pair[1], pair[0])))


def one_each(run: StoredRun) -> bool:
    """Whether candidates are of different systems, not samples of one run, whose models may take turns."""
    apart = all(len(e.sources) > 0 and len(set(e.sources)) == len(e.sources) for e in run.evidence.values())
    return apart and not run.wave_of and any(len(e.sources) > 1 for e in run.evidence.values())


def can_forecast(run: StoredRun, counts: Sequence[tuple[int, int]]) -> tuple[bool, str]:
    """Whether coverage at more samples can be told, else why not."""
    if one_each(run):
        return False, SYSTEMS
    if len(counts) < FORECAST_TASKS:
        return False, f"{len(counts)} graded tasks tell too little; {FORECAST_TASKS} are needed"
    return True, ""

"""Compares selection rules on a stored run, and measures the value of samples, turns, tests and verifiers.

Without verdicts, a study holds only what needs no labels. All functions here are pure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codemonkeys.generation.flags import runner_flags
from codemonkeys.report.abstention import RiskResult, risk_result
from codemonkeys.report.diversity import Diversity, diversity_of
from codemonkeys.report.forecast import forecast
from codemonkeys.report.layers import LayerResult, layer_results, merged
from codemonkeys.report.rule_results import (
    AS_RUN,
    OPTIONAL_EVIDENCE,
    RuleResult,
    choice_results,
    cost_of,
    first_choice,
    outcome_of,
    rule_result,
    stored_ranking,
    whole_cost,
)
from codemonkeys.report.savings import Saving, saving
from codemonkeys.report.statistics import Interval, Verdict, bootstrap, coverage, oracle, random_score, true_rates
from codemonkeys.report.stored_run import StoredRun
from codemonkeys.report.systems import SystemResult, family_results, system_results
from codemonkeys.report.tests_and_turns import TestsResult, TurnResult, by_turn, tests_result
from codemonkeys.report.verdict_sources import Verdicts
from codemonkeys.selection.evidence import Ranking, ScriptOutcome
from codemonkeys.selection.rules import RULES, Rule
from codemonkeys.selection.weaver import estimate, scales_of, verify

SYSTEMS = "the candidates come from different systems and are not samples of one"
FORECAST_TASKS = 10
"""Minimum number of graded tasks for a forecast."""
FORECAST_FACTORS = (2, 3, 5, 10)
"""Forecast horizons, as multiples of the samples drawn."""


@dataclass(frozen=True)
class VerifierResult:
    """True and false positive rate of a verifier, estimated without labels and measured with them."""

    name: str
    tpr: float | None
    fpr: float | None
    true_tpr: float | None
    true_fpr: float | None


@dataclass(frozen=True)
class Study:
    """Result of studying a run."""

    run: str
    rule: str
    tasks: int
    """Tasks that count: with candidates and complete evidence, or ended without candidates."""
    ungraded: int
    """With verdicts, tasks of which some candidate has none: in scores only where the chosen one has one, and left out
    of what needs all."""
    incomplete: int
    """Tasks excluded because their evidence is incomplete."""
    random: Interval | None
    oracle: Interval | None
    rules: tuple[RuleResult, ...]
    unavailable: tuple[tuple[str, str], ...]
    """Rules that the run lacks evidence for, with the reason."""
    members: tuple[tuple[str, float], ...]
    """For candidates from several systems: the score of each system alone, best first."""
    coverage: tuple[tuple[int, Interval], ...]
    """By number of samples."""
    forecast: tuple[tuple[int, Interval], ...]
    no_forecast: str
    """Why there is no forecast; empty if there is one."""
    turns: tuple[TurnResult, ...]
    turn_tasks: int
    """Number of tasks behind `turns`: those whose earlier edits all have verdicts."""
    diversity: Diversity | None
    """Diversity of samples, by wave and by model; None for an ensemble."""
    layers: tuple[LayerResult, ...]
    """Empty for a run without layers behind its trajectories."""
    tests: TestsResult | None
    verifiers: tuple[VerifierResult, ...]
    share: tuple[float, float | None] | None
    """Share of correct candidates: estimated without labels, and measured with them."""
    saving: Saving | str
    """Savings of early stopping, or why they cannot be estimated."""
    untrusted: int = 0
    """Number of distinct candidates that failed a control, so that their votes do not count."""
    flagged: int = 0
    """Number of distinct candidates that touch what can decide how tests run."""
    uncovered: int = 0
    """Tasks that no submission of an ensemble has a record of; they count nowhere."""
    systems: tuple[SystemResult, ...] = ()
    """For candidates from several systems: each alone, also without verdicts."""
    families: tuple[SystemResult, ...] = ()
    """The same by family, where one has several systems."""
    risks: tuple[RiskResult, ...] = ()
    """By rule: what abstaining by its confidence buys."""


def study(run: StoredRun, verdicts: Verdicts | None, rules: Mapping[str, Rule] = RULES) -> Study:
    """Compare rules; with verdicts, score them too, as far as these reach.

    Raises RuleFailed if a plugged-in rule fails.
    """
    labels = {} if verdicts is None else {task: verdicts.of_candidates(e) for task, e in run.evidence.items()}
    graded = [task for task, task_labels in labels.items() if None not in task_labels]
    used = list(run.evidence)
    full = {task: labels[task] for task in graded}
    # Rules are fitted on all stored evidence, graded or not: they never see a verdict.
    pool = list(run.pool or run.evidence.values())
    fitted = {name: rule.fit(pool) for name, rule in rules.items()}
    rankings = {name: {task: rule.rank(e) for task, e in run.evidence.items()} for name, rule in fitted.items()}
    ranked = {
        name: {task: first_choice(ranking, run.evidence[task]) for task, ranking in of_tasks.items()}
        for name, of_tasks in rankings.items()
    }
    stored = {task: stored_ranking(number) for task, number in run.choices.items()}
    available = [name for name in rules if any(rankings[name][task].order for task in used)]
    known = [labels[task] for task in graded]
    drawn = {
        task: [labels[task][k] for k in range(len(labels[task])) if not merged(run.evidence[task], k)]
        for task in graded
    }
    counts = [(max(len(drawn[task]), run.samples.get(task, 0)), sum(map(bool, drawn[task]))) for task in graded]
    counts += [(run.samples.get(task, 0), 0) for task in run.without] if known else []
    forecastable, why = can_forecast(run, counts)
    turns, turn_tasks = by_turn(run, labels, verdicts) if verdicts is not None else ((), 0)
    names, estimated = estimate(pool, sources=False) if pool else ([], None)
    scales = scales_of(pool, sources=False)
    told = [row for task in graded for row in verify(run.evidence[task], False, scales)]
    votes = [[row.get(name) for name in names] for row in told]
    flat: list[Verdict] = [verdict for task_labels in known for verdict in task_labels]
    actual = true_rates(votes, flat) if flat else [None] * len(names)
    most = max((n for n, _ in counts), default=0)
    return Study(
        run=run.name,
        rule=run.rule,
        tasks=len(used) + len(run.without),
        ungraded=len(labels) - len(graded),
        incomplete=len(run.incomplete),
        random=bootstrap([*map(random_score, known), *(0.0 for _ in run.without)]) if known else None,
        oracle=bootstrap([*map(float, map(oracle, known)), *(0.0 for _ in run.without)]) if known else None,
        rules=(
            *(
                rule_result(
                    name,
                    rules[name].source,
                    ranked[name],
                    run,
                    used,
                    labels,
                    cost_of(rules[name].needs or OPTIONAL_EVIDENCE.get(name, ()), run),
                )
                for name in available
            ),
            *(
                [rule_result(AS_RUN, run.rule, stored, run, used, labels, whole_cost(run))]
                if all(task in stored for task in used) and used
                else []
            ),
            *choice_results(run, labels, rules),
        ),
        unavailable=tuple((name, rankings[name][used[0]].reason) for name in rules if name not in available and used),
        members=member_scores(run, labels, graded),
        coverage=tuple((k, coverage(counts, k)) for k in range(1, most + 1)),
        forecast=tuple(forecast(counts, [k * most for k in FORECAST_FACTORS]).items()) if forecastable else (),
        no_forecast=why,
        turns=turns,
        turn_tasks=turn_tasks,
        diversity=diversity_of(run, used, full),
        layers=layer_results(run, used, full, verdicts.by_patch if verdicts else {}),
        tests=tests_result([(run.evidence[task], full.get(task)) for task in used]),
        verifiers=tuple(
            VerifierResult(
                name,
                estimated.tpr[n] if estimated else None,
                estimated.fpr[n] if estimated else None,
                *(rates if (rates := actual[n]) else (None, None)),
            )
            for n, name in enumerate(names)
            if estimated is None or estimated.tpr[n] is not None
        ),
        share=(estimated.share, sum(map(bool, flat)) / len(flat) if flat else None) if estimated else None,
        saving=SYSTEMS if is_ensemble(run) else saving(run, labels),
        untrusted=sum(ScriptOutcome.UNTRUSTED in e.edited[k] for e in pool if e.edited for k in set(e.classes)),
        flagged=sum(bool(runner_flags(e.patches[k])) for e in pool for k in set(e.classes)),
        uncovered=run.uncovered,
        systems=system_results(run, labels) if is_ensemble(run) else (),
        families=family_results(run, labels) if is_ensemble(run) else (),
        risks=tuple(risk for name in available if (risk := risk_of(name, ranked[name], labels))),
    )


def risk_of(name: str, ranked: Mapping[str, Ranking], labels: Mapping[str, Sequence[Verdict]]) -> RiskResult | None:
    """What abstaining by a rule's confidence buys, over the tasks that it decides and whose choice has a verdict."""
    decided = {task: ranking for task, ranking in ranked.items() if ranking.order}
    known = {task: outcome_of(ranking, labels.get(task)) for task, ranking in decided.items()}
    outcomes = {task: outcome for task, outcome in known.items() if outcome is not None}
    return risk_result(name, outcomes, {task: ranking.confidence for task, ranking in decided.items()})


def member_scores(
    run: StoredRun, labels: Mapping[str, Sequence[Verdict]], graded: Sequence[str]
) -> tuple[tuple[str, float], ...]:
    """The score of each system alone, best first; empty if all candidates come from one."""
    right: dict[str, int] = {}
    for task in graded:
        for source, verdict in zip(run.evidence[task].sources, labels[task], strict=False):
            right[source] = right.get(source, 0) + bool(verdict)
    total = len(graded) + len(run.without)
    scores = [(name, count / total) for name, count in right.items()] if is_ensemble(run) else []
    return tuple(sorted(scores, key=lambda pair: (-pair[1], pair[0])))


def is_ensemble(run: StoredRun) -> bool:
    """Whether candidates come from different systems, as opposed to one run with several models."""
    distinct_sources = all(len(e.sources) > 0 and len(set(e.sources)) == len(e.sources) for e in run.evidence.values())
    return distinct_sources and not run.wave_of and any(len(e.sources) > 1 for e in run.evidence.values())


def can_forecast(run: StoredRun, counts: Sequence[tuple[int, int]]) -> tuple[bool, str]:
    """Whether coverage at more samples can be forecast, and if not, why."""
    families = {family for e in run.evidence.values() for family in e.families}
    if is_ensemble(run) and len(families) != 1:
        return False, SYSTEMS
    if len(counts) < FORECAST_TASKS:
        return False, f"{len(counts)} graded tasks are too few; {FORECAST_TASKS} are needed"
    return True, ""

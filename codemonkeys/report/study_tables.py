"""A study as terminal tables."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codemonkeys.report.abstention import COVERAGES
from codemonkeys.report.diversity import Diversity
from codemonkeys.report.layers import LayerResult
from codemonkeys.report.rule_results import RuleResult
from codemonkeys.report.statistics import Interval
from codemonkeys.report.stored_run import Cost
from codemonkeys.report.study import Study
from codemonkeys.report.systems import SystemResult
from codemonkeys.report.tables import dollars, heading, new_table, plain
from codemonkeys.report.tests_and_turns import TestsResult


def study_view(study: Study) -> RenderableType:
    """The whole study, as tables."""
    parts: list[RenderableType] = [summary(study), heading("Rules"), rules_table(study)]
    parts += [plain(f"{why}: {', '.join(names)}", "dim") for why, names in missing(study).items()]
    parts += [heading("Cost and origin of each rule"), needs_table(study)]
    if study.systems:
        parts += [heading("Each system alone"), systems_table(study.systems, "system")]
    if study.families:
        parts += [heading("Each family alone"), systems_table(study.families, "family")]
    if any(risk.tasks > 1 for risk in study.risks):
        parts += [heading("Abstaining: share of wrong choices among the surest"), risks_table(study)]
    if study.coverage:
        parts += [heading("Coverage: tasks with a correct candidate"), coverage_table(study)]
        parts += [plain(f"No forecast: {study.no_forecast}.", "dim")] if study.no_forecast else []
    if study.turns:
        parts += [heading(f"Coverage by turns, over {study.turn_tasks} tasks"), turns_table(study)]
    if study.diversity is not None:
        parts += [heading("Diversity of samples"), *diversity_view(study.diversity)]
    if study.layers:
        parts += [heading("Layers"), layers_table(study.layers)]
    if study.tests is not None:
        parts += [heading("Test scripts"), tests_view(study.tests)]
    if any(row.tpr is not None or row.true_tpr is not None for row in study.verifiers):
        parts += [heading("Verifiers"), verifiers_table(study)]
    return Group(*parts, heading("Early stopping"), saving_view(study))


def summary(study: Study) -> Text:
    """How many tasks count, and the range in which a rule's score can lie."""
    lines = [f"{study.run}: {study.tasks} tasks count"]
    if study.ungraded and any(row.scored for row in study.rules):
        lines.append(
            f"{study.ungraded} have candidates without a verdict and count in a score where the chosen one has one"
        )
    if study.incomplete:
        lines.append(f"{study.incomplete} excluded because the run was stopped before their evidence was complete")
    if study.uncovered:
        lines.append(f"{study.uncovered} that no submission has a record of are left out")
    if study.untrusted:
        lines.append(f"{study.untrusted} candidates failed a control, so their votes do not count")
    if study.flagged:
        lines.append(f"{study.flagged} candidates touch what can decide how tests run (show TASK names it)")
    if study.random is not None and study.oracle is not None:
        lines.append(
            f"a random candidate is correct in {percent(study.random)}, the best one in {percent(study.oracle)}"
        )
    elif is_scored(study):
        lines.append("for what a random candidate and the best one come to: --grade candidates")
    else:
        lines.append("no verdicts: for scores, give --verdicts FILE or --grade candidates")
    return plain("; ".join(lines))


def rules_table(study: Study) -> Table:
    """One line per rule, best first, with its score."""
    scored, graded = is_scored(study), study.random is not None
    partly = scored and study.ungraded > 0
    scores = (*("score", "95 %") * scored, *("of tasks",) * partly, *("recovered", "95 % of it") * graded)
    columns = (*scores, "abstains", "agrees with run")
    table = new_table("rule", *columns, numbers=columns)
    for row in by_score(study):
        cells = [*interval_cells(row.score)] * scored + [str(row.scored)] * partly
        cells += [*interval_cells(row.recovered)] * graded
        style = "bold" if row.name == "as the run chose" else ""
        table.add_row(plain(row.name, style), *cells, str(row.abstained), f"{row.as_run:.0%}")
    return table


def is_scored(study: Study) -> bool:
    """Whether there is a verdict on anything that was chosen."""
    return any(row.score is not None for row in study.rules)


def needs_table(study: Study) -> Table:
    """Cost of each rule's evidence, its mean confidence, and its origin."""
    columns = ("calls", "cost", "executions", "confidence")
    table = new_table("rule", *columns, "origin", numbers=columns)
    for row in by_score(study):
        confidence = "" if row.confidence is None else f"{row.confidence:.2f}"
        table.add_row(plain(row.name), *cost_cells(row.cost), confidence, plain(row.source))
    return table


def by_score(study: Study) -> list[RuleResult]:
    """The rules, best first."""
    return sorted(study.rules, key=lambda row: (-(row.score.value if row.score else 0.0), row.name))


def missing(study: Study) -> dict[str, list[str]]:
    """Reasons why rules are unavailable, each with its rules."""
    by_reason: dict[str, list[str]] = {}
    for name, why in study.unavailable:
        by_reason.setdefault(why, []).append(name)
    return by_reason


def systems_table(results: Sequence[SystemResult], kind: str) -> Table:
    """Each system, or each family, alone. A family has the score of its best patch in each task."""
    scored = any(result.score is not None for result in results)
    columns = ("tasks", "chosen", *("score", "of tasks") * scored)
    table = new_table(kind, "family" if kind == "system" else "systems", *columns, numbers=columns)
    for result in results:
        cells = ["" if result.score is None else f"{result.score:.1%}", str(result.scored)] * scored
        second = result.family or str(result.members)
        table.add_row(plain(result.name), plain(second), str(result.tasks), str(result.chosen), *cells)
    return table


def risks_table(study: Study) -> Table:
    """Risk against coverage, the rule that knows best when it is wrong first."""
    columns = tuple(f"surest {coverage:.0%}" if coverage < 1 else "all" for coverage in COVERAGES)
    table = new_table("rule", "tasks", *columns, "mean", numbers=("tasks", *columns, "mean"))
    for risk in sorted(study.risks, key=lambda risk: (risk.area, risk.name)):
        cells = [f"{wrong:.1%}" for _, wrong, _ in risk.risks]
        table.add_row(plain(risk.name), str(risk.tasks), *cells, f"{risk.area:.1%}")
    return table


def coverage_table(study: Study) -> Table:
    """Coverage by number of samples, drawn and forecast."""
    table = new_table("samples", "coverage", "95 %", "", numbers=("samples", "coverage", "95 %"))
    for k, interval in study.coverage:
        table.add_row(str(k), *interval_cells(interval), "")
    for k, interval in study.forecast:
        table.add_row(str(k), *interval_cells(interval), "forecast")
    return table


def turns_table(study: Study) -> Table:
    """Coverage after each model call of the edit conversations."""
    table = new_table("calls", "one trajectory", "all of them", numbers=("calls", "one trajectory", "all of them"))
    for row in study.turns:
        table.add_row(str(row.turn), f"{row.single:.1%}", f"{row.any:.1%}")
    return table


def diversity_view(diversity: Diversity) -> list[RenderableType]:
    """How many candidates are distinct: overall, by wave and by model."""
    alike = (
        ""
        if diversity.alike is None
        else f"; mean similarity of two candidates of a task: {diversity.alike:.2f} (0 to 1)"
    )
    parts: list[RenderableType] = [
        plain(
            f"{diversity.distinct} of {diversity.candidates} candidates are distinct{alike}. "
            f"Later waves see: {diversity.how}."
        )
    ]
    graded = any(wave.coverage is not None for wave in diversity.waves)
    columns = ("tasks", "candidates", "new", "similarity", *(("correct", "coverage so far") if graded else ()))
    waves = new_table("wave", *columns, numbers=("wave", *columns))
    for wave in diversity.waves:
        earlier = "" if wave.alike is None else f"{wave.alike:.2f}"
        counts = (str(wave.wave), str(wave.tasks), str(wave.candidates), str(wave.new))
        waves.add_row(*counts, earlier, *((rate(wave.right), rate(wave.coverage)) if graded else ()))
    columns = ("candidates", "distinct", "unique", *(("correct", "coverage") if graded else ()))
    models = new_table("model", *columns, numbers=columns)
    for model in diversity.models:
        written = (str(model.candidates), str(model.distinct), str(model.alone))
        models.add_row(plain(model.model), *written, *((rate(model.right), rate(model.coverage)) if graded else ()))
    return [*parts, waves, *([models] if diversity.models else [])]


def layers_table(layers: Sequence[LayerResult]) -> Table:
    """One line per layer."""
    columns = ("tasks", "candidates", "correct", "tasks with a correct one", "first is correct")
    table = new_table(
        "layer", *columns, "calls", "cost", "executions", numbers=(*columns, "calls", "cost", "executions")
    )
    for row in layers:
        shares = ["" if share is None else f"{share:.1%}" for share in (row.right, row.coverage, row.first)]
        table.add_row(plain(row.layer), str(row.tasks), str(row.candidates or ""), *shares, *cost_cells(row.cost))
    return table


def tests_view(tests: TestsResult) -> RenderableType:
    """How often test scripts discriminate and mislead, if known."""
    valid_ones = f"{tests.valid} of the run's {tests.scripts} test scripts are valid."
    if not tests.judged:
        return plain(
            f"{valid_ones} Whether they discriminate or mislead needs tasks with correct and incorrect candidates."
        )
    columns = ("scripts", "discriminate", "mislead")
    table = new_table("of tasks with correct and incorrect candidates", *columns, numbers=columns)
    all_of_them = (tests.judged, tests.discriminating, tests.misleading)
    valid = (tests.valid_judged, tests.valid_discriminating, tests.valid_misleading)
    for name, (count, good, bad) in (("all", all_of_them), ("valid: fails on the base commit", valid)):
        table.add_row(name, str(count), *(f"{n / count:.0%}" if count else "" for n in (good, bad)))
    table.caption = valid_ones
    table.caption_justify = "left"
    return table


def verifiers_table(study: Study) -> Table:
    """True and false positive rate of each verifier, estimated and actual."""
    columns = ("TPR, estimated", "actual", "FPR, estimated", "actual ")
    table = new_table("verifier", *columns, numbers=columns)
    for row in study.verifiers:
        table.add_row(plain(row.name), *(rate(value) for value in (row.tpr, row.true_tpr, row.fpr, row.true_fpr)))
    if study.share is not None:
        table.add_row("share of correct candidates", rate(study.share[0]), rate(study.share[1]), "", "", style="bold")
    return table


def saving_view(study: Study) -> RenderableType:
    """Savings of early stopping."""
    saving = study.saving
    if isinstance(saving, str):
        return plain(f"Cannot be estimated: {saving}.", "dim")
    lines = [
        f"Drawing samples until {saving.verifier!r} accepts one, at most {saving.most} (estimated to accept "
        f"{saving.completeness:.0%} of correct and {1 - saving.soundness:.0%} of incorrect ones):",
        f"{saving.expected:.1f} samples per task expected, {saving.replayed:.1f} replayed on the stored candidates, "
        f"instead of {saving.drawn:.1f}; saved: {dollars(saving.usd)}.",
        f"It accepts one in {saving.accepted:.0%} of the tasks and abstains on the others."
        + ("" if saving.score is None else f" In {saving.score:.1%} of the graded tasks the accepted one is correct."),
    ]
    return plain("\n".join(lines))


def percent(interval: Interval) -> str:
    """A share with its interval."""
    return f"{interval.value:.1%} ({interval.low:.1%} to {interval.high:.1%})"


def interval_cells(interval: Interval | None) -> list[str]:
    """A share and its interval, as two cells."""
    return ["", ""] if interval is None else [f"{interval.value:.1%}", f"{interval.low:.0%} to {interval.high:.0%}"]


def cost_cells(cost: Cost) -> list[str]:
    """Calls, money and executions."""
    return [str(cost.calls), dollars(cost.usd) if cost.calls else "", str(cost.executions)]


def rate(value: float | None) -> str:
    """A rate, if there is one."""
    return "" if value is None else f"{value:.0%}"

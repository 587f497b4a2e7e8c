"""A study as terminal tables."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codemonkeys.report.diversity import Diversity
from codemonkeys.report.statistics import Interval
from codemonkeys.report.stored_run import Cost
from codemonkeys.report.study import RuleResult, Study
from codemonkeys.report.tables import dollars, heading, new_table, plain
from codemonkeys.report.tests_and_turns import TestsResult


def study_view(study: Study) -> RenderableType:
    """All that a study tells."""
    parts: list[RenderableType] = [summary(study), heading("Rules"), rules_table(study)]
    parts += [plain(f"{why}: {', '.join(names)}", "dim") for why, names in missing(study).items()]
    parts += [heading("What they need, and where they come from"), needs_table(study)]
    if study.members:
        parts += [heading("Each system alone"), members_table(study)]
    if study.coverage:
        parts += [heading("Coverage: tasks with a right candidate"), coverage_table(study)]
        parts += [plain(f"No forecast: {study.no_forecast}.", "dim")] if study.no_forecast else []
    if study.turns:
        parts += [heading(f"Coverage by turns, over {study.turn_tasks} tasks"), turns_table(study)]
    if study.diversity is not None:
        parts += [heading("How much the samples differ"), *diversity_view(study.diversity)]
    if study.tests is not None:
        parts += [heading("Test scripts"), tests_view(study.tests)]
    if any(row.tpr is not None or row.true_tpr is not None for row in study.verifiers):
        parts += [heading("Verifiers"), verifiers_table(study)]
    return Group(*parts, heading("Stopping early"), saving_view(study))


def summary(study: Study) -> Text:
    """How many tasks count, and between which bounds a rule can lie."""
    lines = [f"{study.run}: {study.tasks} tasks count"]
    if study.ungraded:
        lines.append(f"{study.ungraded} left out, as some of their candidates have no verdict")
    if study.incomplete:
        lines.append(f"{study.incomplete} left out, as the run was stopped before all was known of them")
    if study.random is not None and study.oracle is not None:
        lines.append(f"a random candidate is right in {percent(study.random)}, the best one in {percent(study.oracle)}")
    else:
        lines.append("no verdicts: give --verdicts FILE, or --grade candidates, for scores")
    return plain("; ".join(lines))


def rules_table(study: Study) -> Table:
    """One line for each rule, best first: what it reaches."""
    graded = study.random is not None
    scores = ("score", "95 %", "recovered", "95 % of it") if graded else ()
    columns = (*scores, "abstains", "as the run")
    table = new_table("rule", *columns, numbers=columns)
    for row in by_score(study):
        cells = [*interval_cells(row.score), *interval_cells(row.recovered)] if graded else []
        style = "bold" if row.name == "as the run chose" else ""
        table.add_row(plain(row.name, style), *cells, str(row.abstained), f"{row.as_run:.0%}")
    return table


def needs_table(study: Study) -> Table:
    """What the evidence of each rule cost, how sure the rule is, and where it comes from."""
    columns = ("calls", "cost", "executions", "confidence")
    table = new_table("rule", *columns, "after", numbers=columns)
    for row in by_score(study):
        confidence = "" if row.confidence is None else f"{row.confidence:.2f}"
        table.add_row(plain(row.name), *cost_cells(row.cost), confidence, plain(row.source))
    return table


def by_score(study: Study) -> list[RuleResult]:
    """The rules, best first."""
    return sorted(study.rules, key=lambda row: (-(row.score.value if row.score else 0.0), row.name))


def missing(study: Study) -> dict[str, list[str]]:
    """What is not there, and the rules that need it."""
    found: dict[str, list[str]] = {}
    for name, why in study.unavailable:
        found.setdefault(why, []).append(name)
    return found


def members_table(study: Study) -> Table:
    """The score of each system alone."""
    table = new_table("system", "score", numbers=("score",))
    for name, score in study.members:
        table.add_row(plain(name), f"{score:.1%}")
    return table


def coverage_table(study: Study) -> Table:
    """Coverage at numbers of samples: what was drawn, then what is forecast."""
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


def diversity_view(found: Diversity) -> list[RenderableType]:
    """How many candidates say something new: in all, by wave, and by model."""
    alike = "" if found.alike is None else f"; two candidates of a task are alike by {found.alike:.2f} of 1"
    parts: list[RenderableType] = [
        plain(f"{found.distinct} of {found.candidates} candidates are distinct{alike}. Later waves see: {found.how}.")
    ]
    graded = any(wave.coverage is not None for wave in found.waves)
    columns = ("tasks", "candidates", "new", "like earlier", *(("right", "coverage so far") if graded else ()))
    waves = new_table("wave", *columns, numbers=("wave", *columns))
    for wave in found.waves:
        earlier = "" if wave.alike is None else f"{wave.alike:.2f}"
        counts = (str(wave.wave), str(wave.tasks), str(wave.candidates), str(wave.new))
        waves.add_row(*counts, earlier, *((rate(wave.right), rate(wave.coverage)) if graded else ()))
    columns = ("candidates", "distinct", "only its own", *(("right", "coverage") if graded else ()))
    models = new_table("model", *columns, numbers=columns)
    for model in found.models:
        written = (str(model.candidates), str(model.distinct), str(model.alone))
        models.add_row(plain(model.model), *written, *((rate(model.right), rate(model.coverage)) if graded else ()))
    return [*parts, waves, *([models] if found.models else [])]


def tests_view(found: TestsResult) -> RenderableType:
    """How often test scripts discriminate and mislead, where that is known."""
    valid_ones = f"{found.valid} of the run's {found.scripts} test scripts are valid."
    if not found.judged:
        return plain(f"{valid_ones} Whether they discriminate or mislead takes tasks with right and wrong candidates.")
    columns = ("scripts", "discriminate", "mislead")
    table = new_table("of tasks with right and wrong candidates", *columns, numbers=columns)
    all_of_them = (found.judged, found.discriminating, found.misleading)
    valid = (found.valid_judged, found.valid_discriminating, found.valid_misleading)
    for name, (count, good, bad) in (("all", all_of_them), ("valid: they found the issue in the unedited code", valid)):
        table.add_row(name, str(count), *(f"{n / count:.0%}" if count else "" for n in (good, bad)))
    table.caption = valid_ones
    table.caption_justify = "left"
    return table


def verifiers_table(study: Study) -> Table:
    """How often each accepts right and wrong candidates, estimated and true."""
    columns = ("right, estimated", "true", "wrong, estimated", "true ")
    table = new_table("accepts candidates that are", *columns, numbers=columns)
    for row in study.verifiers:
        table.add_row(plain(row.name), *(rate(value) for value in (row.tpr, row.true_tpr, row.fpr, row.true_fpr)))
    if study.share is not None:
        table.add_row("share of right candidates", rate(study.share[0]), rate(study.share[1]), "", "", style="bold")
    return table


def saving_view(study: Study) -> RenderableType:
    """What stopping early would save."""
    found = study.saving
    if isinstance(found, str):
        return plain(f"Cannot be told: {found}.", "dim")
    lines = [
        f"Drawing samples until {found.verifier!r} accepts one, at most {found.most} (it is taken to accept "
        f"{found.completeness:.0%} of right and {1 - found.soundness:.0%} of wrong ones):",
        f"{found.expected:.1f} samples a task are expected, {found.replayed:.1f} on the stored ones, "
        f"instead of {found.drawn:.1f}; saved: {dollars(found.usd)}.",
        f"It accepts one in {found.accepted:.0%} of the tasks, and abstains in the others."
        + ("" if found.score is None else f" In {found.score:.1%} of the graded tasks what it accepts is right."),
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

"""Comparisons for readers, in sections."""

from __future__ import annotations

from collections.abc import Sequence

from codemonkeys.report.comparison import Change, Comparison, Side, TaskOutcome
from codemonkeys.report.sections import Section
from codemonkeys.report.status_view import duration
from codemonkeys.report.tables import dollars

TOLD: dict[Change, str] = {
    "gained": "gained",
    "lost": "lost",
    "both": "resolved by both",
    "neither": "resolved by neither",
    "unknown": "without a verdict",
    "only first": "only in the first",
    "only second": "only in the second",
}
SIGNIFICANT = 0.05


def sections(sides: Sequence[Side], comparisons: Sequence[Comparison], all_tasks: bool) -> list[Section]:
    """Everything that is told. `comparisons`: the first with each other; `all_tasks`: list those unchanged too."""
    first, *others = sides
    found = [totals(sides)]
    for other, comparison in zip(others, comparisons, strict=True):
        found += [changes_section(comparison), tasks_section(first, other, comparison, all_tasks)]
        found += differing_sections(comparison)
    return [section for section in found if section.rows or section.sentences or section.diffs]


def totals(sides: Sequence[Side]) -> Section:
    """One line for each side."""
    headers = ("", "tasks", "graded", "resolved", "share", "cost", "cost of a resolved one", "time")
    rows = [
        (
            *(side.name, str(len(side.tasks)), str(side.graded), str(side.resolved)),
            f"{side.resolved / side.graded:.1%}" if side.graded else "",
            dollars(side.cost_usd),
            dollars(side.cost_usd / side.resolved) if side.cost_usd is not None and side.resolved else "",
            time_of(side.seconds),
        )
        for side in sides
    ]
    return Section("In total", headers, tuple(rows), headers[1:])


def changes_section(comparison: Comparison) -> Section:
    """How many tasks change, and whether that may be chance."""
    rows = [(words, str(comparison.count(change))) for change, words in TOLD.items() if comparison.count(change)]
    sentences = []
    if comparison.difference is not None:
        value, low, high = (f"{100 * point:+.1f}" for point in comparison.difference)
        sentences.append(f"Difference: {value} points of resolved tasks (95 %: {low} to {high}).")
        verdict = "hardly by chance alone" if comparison.p < SIGNIFICANT else "which may be chance"
        sentences.append(f"McNemar's exact test: p = {comparison.p:.3g}, {verdict}.")
    else:
        sentences.append("No task has a verdict in both: codemonkeys evaluate, or --verdicts FILE.")
    if comparison.cost_usd is not None:
        sign = "more" if comparison.cost_usd >= 0 else "less"
        sentences.append(f"It cost {dollars(abs(comparison.cost_usd))} {sign} on the tasks of both.")
    title = f"{comparison.second} against {comparison.first}"
    return Section(title, ("tasks", "number"), tuple(rows), ("number",), tuple(sentences))


def tasks_section(first: Side, second: Side, comparison: Comparison, all_tasks: bool) -> Section:
    """One line for each task that is gained or lost, or for all."""
    headers = ("task", "change", first.name, second.name, "cost", "cost ", "time", "time ")
    nothing = TaskOutcome("", None)
    rows = []
    for task, change in comparison.changes.items():
        if all_tasks or change in ("gained", "lost"):
            pair = first.tasks.get(task, nothing), second.tasks.get(task, nothing)
            states = [outcome(one) for one in pair]
            costs = [dollars(one.cost_usd) if one.state else "" for one in pair]
            rows.append((task, TOLD[change], *states, *costs, *(time_of(one.seconds) for one in pair)))
    return Section("Tasks" if all_tasks else "Tasks gained and lost", headers, tuple(rows), headers[4:])


def differing_sections(comparison: Comparison) -> list[Section]:
    """Settings, models, versions and prompts by which two sides differ."""
    headers = ("setting", comparison.first, comparison.second)
    rows = tuple((found.what, found.first, found.second) for found in comparison.differing)
    unknown = [f"The prompts of {name} were not stored, so they are not compared." for name in comparison.no_prompts]
    diffs = tuple(comparison.prompts.values())
    return [Section("What differs", headers, rows), Section("Prompts", (), (), (), tuple(unknown), diffs)]


def outcome(task: TaskOutcome) -> str:
    """What became of a task, in a word."""
    return task.state if task.resolved is None else "resolved" if task.resolved else "not resolved"


def time_of(seconds: float | None) -> str:
    """A duration; empty if unknown."""
    return "" if seconds is None else duration(seconds)

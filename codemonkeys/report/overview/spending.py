"""Sections on what a run took: money, calls, executions, hours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from codemonkeys.report.overview.drawing import Caption, bars
from codemonkeys.report.overview.facts import KINDS, Results
from codemonkeys.report.overview.flow import sum_of
from codemonkeys.report.overview.paths import RESOLVED, resolved_share, task_paths
from codemonkeys.report.sections import Section
from codemonkeys.report.status_view import duration
from codemonkeys.report.tables import dollars, place_of
from codemonkeys.stages import choice_of

OTHER = "other"
STYLES = {"prompt": "c1", "cache read": "c3", "cache write": "c5", "completion": "c2", OTHER: "c4"}
LEAST = 1e-6
"""Share of a cost below which a difference is one of rounding."""
TOKENS = {"cache read": "cache_read_tokens", "cache write": "cache_write_tokens", "completion": "completion_tokens"}


def cost_section(results: Results) -> Section:
    """Cost by stage and by kind of token."""
    costs = results.facts.token_costs
    by_stage: dict[str, list[dict[str, Any]]] = {}
    for row in results.facts.spend:
        by_stage.setdefault(row["stage"], []).append(dict(row))
    stages = sorted(by_stage, key=place_of)
    if not stages:
        return Section("Cost by stage and kind of token", (), (), (), ("No model was called.",))
    split = {stage: split_cost(by_stage[stage], costs.get(stage, {})) for stage in stages}
    kinds = [*KINDS, *[OTHER] * any(parts[-1] > 0 for parts in split.values() if parts)]
    rows, drawn = [], []
    for stage in [*stages, "total"]:
        spent = by_stage.get(stage) or [row for of_stage in by_stage.values() for row in of_stage]
        paid = dollars(sum_of([row["cost_usd"] for row in spent]))
        of = [split[stage]] if stage in split else list(split.values())
        parts = None if None in of else [sum(column) for column in zip(*filter(None, of), strict=True)][: len(kinds)]
        cells = [dollars(None)] * len(kinds) if parts is None else map(dollars, parts)
        calls = sum(row["calls"] for row in spent)
        rows.append((stage, f"{calls:,}", *(f"{tokens(spent, kind):,}" for kind in KINDS), *cells, paid))
        if stage in split:
            drawn.append((stage, parts or [0.0] * len(kinds), paid))
    headers = ("stage", "calls", *(f"{kind} tokens" for kind in KINDS), *kinds, "cost")
    said = ["Prompt tokens are those that were neither read from nor written to a cache."]
    if OTHER in kinds:
        said.append(
            "Other costs: attempts without an answer, at their upper bounds, and what providers charged beyond the "
            "prices of their tokens."
        )
    caption = Caption("cost", "Cost by stage and kind of token", f"In all {paid}; the table has each stage.")
    figure = bars(caption, drawn, [(kind, STYLES[kind]) for kind in kinds]) if any(sum(d[1]) for d in drawn) else ""
    return Section("Cost by stage and kind of token", headers, tuple(rows), headers[1:], tuple(said), figure=figure)


def split_cost(spent: Sequence[Mapping[str, Any]], listed: Mapping[str, float]) -> list[float] | None:
    """What a stage cost by kind of token, and other costs at the end; None if a price is unknown.

    `spent`: its rows of spend. `listed`: by kind of token at list prices, which is scaled down where less was paid.
    """
    paid = sum_of([row["cost_usd"] for row in spent])
    if paid is None:
        return None
    at_list = sum(listed.values())
    scale = min(1.0, paid / at_list) if at_list else 0.0
    other = paid - at_list * scale
    return [*(listed.get(kind, 0.0) * scale for kind in KINDS), other if other > LEAST * paid else 0.0]


def tokens(spent: list[dict[str, Any]], kind: str) -> int:
    """Tokens of a kind in rows of spend."""
    if kind in TOKENS:
        return sum(row[TOKENS[kind]] or 0 for row in spent)
    cached = sum((row["cache_read_tokens"] or 0) + (row["cache_write_tokens"] or 0) for row in spent)
    return max(0, sum(row["prompt_tokens"] or 0 for row in spent) - cached)


def time_section(results: Results) -> Section:
    """Where the hours went: model calls and executions by stage."""
    facts, title = results.facts, "Where the hours went"
    executed: dict[str, tuple[int, int, float]] = {}
    for row in facts.executions:
        ran, reused, seconds = executed.get(row["stage"], NOTHING)
        more = (0, row["number"], 0.0) if row["reused"] else (row["number"], 0, row["seconds"])
        executed[row["stage"]] = (ran + more[0], reused + more[1], seconds + more[2])
    calls: dict[str, int] = {}
    for row in facts.spend:
        calls[row["stage"]] = calls.get(row["stage"], 0) + row["calls"]
    stages = sorted({*calls, *executed}, key=place_of)
    if not stages:
        return Section(title, (), (), (), ("No model was called, and nothing was executed.",))
    rows, drawn = [], []
    for stage in stages:
        ran, reused, seconds = executed.get(stage, NOTHING)
        answering = facts.call_seconds.get(stage, 0.0)
        rows.append((stage, *cells(calls.get(stage, 0), answering), *cells(ran, seconds), f"{reused:,}"))
        drawn.append((stage, (answering, seconds), duration(answering + seconds)))
    asked, worked = sum(facts.call_seconds.values()), sum(values[2] for values in executed.values())
    ran, reused = sum(values[0] for values in executed.values()), sum(values[1] for values in executed.values())
    rows.append(("total", *cells(sum(calls.values()), asked), *cells(ran, worked), f"{reused:,}"))
    headers = ("stage", "calls", "their time", "executions", "their time ", "answered from the journal")
    said = ["Steps run side by side: their times add up to more than the clock shows."]
    if facts.span is not None:
        said.append(
            f"From the start of the first task to the end of the last: {duration(seconds_between(facts.span))}."
        )
    caption = Caption(
        "time",
        title,
        f"Answers took {duration(asked)} together, executions {duration(worked)}; the table has each stage.",
    )
    kinds = [("model calls", "c1"), ("executions", "c3")]
    return Section(title, headers, tuple(rows), headers[1:], tuple(said), figure=bars(caption, drawn, kinds))


NOTHING = (0, 0, 0.0)


def cells(number: int, seconds: float) -> tuple[str, str]:
    """A number of steps and how long they took; no time where there was none."""
    return f"{number:,}", duration(seconds) if number else ""


def seconds_between(span: tuple[str, str]) -> float:
    """Seconds from the first moment to the second."""
    first, last = map(datetime.fromisoformat, span)
    return max(0.0, (last - first).total_seconds())


def summary_section(results: Results) -> Section:
    """The numbers that a paper's abstract would have."""
    facts, study = results.facts, results.study
    ends = [path[-1] for path in task_paths(results).values()]
    paid = sum_of([row["cost_usd"] for row in facts.spend if not choice_of(row["stage"])])
    beside = [row["cost_usd"] for row in facts.spend if choice_of(row["stage"])]
    resolved = ends.count(RESOLVED)
    share = resolved_share(results)
    calls = sum(row["calls"] for row in facts.spend)
    ran = sum(row["number"] for row in facts.executions if not row["reused"])
    rows = [("tasks", str(len(ends)))]
    if share is not None:
        rows.append(("score: chosen patch right", f"{share.value:.1%} ({share.low:.0%} to {share.high:.0%})"))
    if study.coverage:
        covered = study.coverage[-1][1]
        rows.append(("coverage: any candidate right", f"{covered.value:.1%} ({covered.low:.0%} to {covered.high:.0%})"))
    if not isinstance(results.recalls, str) and results.recalls:
        whole = sum(not recall.lost for recall in results.recalls) / len(results.recalls)
        rows.append(("context recall", f"{whole:.1%}"))
    rows += [("cost", dollars(paid)), ("cost per task", dollars(paid / len(ends)) if paid is not None and ends else "")]
    if share is not None and resolved:
        rows.append(("cost per resolved task", dollars(None if paid is None else paid / resolved)))
    if beside:
        rows.append(("cost of named choices, beside", dollars(sum_of(beside))))
    rows += [("model calls", f"{calls:,}"), ("executions", f"{ran:,}")]
    return Section("In short", ("result", "value"), tuple(rows), ("value",), tuple(notes(results)))


def notes(results: Results) -> list[str]:
    """What a reader must know of these numbers."""
    said = []
    name = results.study.run
    if results.verdicts is None:
        said.append(
            "The run was not evaluated: score, coverage, recall and what rests on them are left out. "
            f"codemonkeys evaluate {name} gives them."
        )
    elif resolved_share(results) is None:
        said.append(f"Some chosen patches have no verdict, so there is no score. codemonkeys evaluate {name} gives it.")
    if any(task["state"] in ("waiting", "running") for task in results.facts.tasks):
        said.append(f"The run is not finished. codemonkeys resume {name} goes on with it.")
    if results.study.coverage and results.study.tasks != len(results.facts.tasks):
        counted = f"{results.study.tasks} of {len(results.facts.tasks)} tasks"
        said.append(f"The score is of all tasks; coverage is of {counted}: those that did not end by a failure.")
    return said

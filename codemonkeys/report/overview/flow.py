"""Sections on what became of tasks, calls and executions."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from codemonkeys.report.fitting import one_line, shorten
from codemonkeys.report.overview.drawing import Caption
from codemonkeys.report.overview.facts import Results
from codemonkeys.report.overview.paths import COMPLETE, ENDED, START, STYLES, task_paths
from codemonkeys.report.overview.sankey import sankey
from codemonkeys.report.sections import Section
from codemonkeys.report.tables import dollars

REASONS = 12
"""Most reasons that are listed of one kind; the rest is summed up."""
FOLDERS = re.compile(r"(?<![\w./])(?:~|/[^\s/'\"`:,;)]+(?=/))(?:/[^\s/'\"`:,;)]+)*(?=/)/")
"""Folders of an absolute path: what is told of one machine means nothing on another."""
STEP = re.compile(r"^\S+(?: [\w@-]+)? sample \d+ turn \d+: ")


def flow_section(results: Results) -> Section:
    """The flow of tasks from start to resolved."""
    paths = task_paths(results)
    if not paths:
        return Section("Flow of tasks", (), (), (), ("The run has no task.",))
    steps: dict[tuple[str, str], list[float | None]] = {}
    for task in results.facts.tasks:
        path = paths[task["id"]]
        for pair in zip(path, path[1:], strict=False):
            steps.setdefault(pair, []).append(task["cost_usd"])
    order = {label: place for place, label in enumerate(STYLES)}
    rows = [
        (*pair, str(len(costs)), f"{len(costs) / len(paths):.0%}", dollars(sum_of(costs)))
        for pair, costs in sorted(steps.items(), key=lambda step: [order.get(label, len(order)) for label in step[0]])
    ]
    ends = Counter(path[-1] for path in paths.values())
    told = ", ".join(f"{count} {label}" for label, count in ends.most_common())
    caption = Caption("flow", "Flow of tasks", f"{len(paths)} {START} began; {told}. The table has every step.")
    headers = ("from", "to", "tasks", "of all", "cost of these tasks")
    figure = sankey(caption, list(paths.values()), STYLES)
    said = [f"Of {len(paths)} tasks: {told}."]
    if not isinstance(results.recalls, str):
        said.append(f"{COMPLETE.capitalize()}: the context holds every source file that the reference patch edits.")
    return Section("Flow of tasks", headers, tuple(rows), headers[2:], tuple(said), figure=figure)


def sum_of(costs: Sequence[float | None]) -> float | None:
    """The sum; None if one is unknown."""
    return None if None in costs else sum(filter(None, costs))


def failures_section(results: Results) -> Section:
    """What failed, by reason: tasks, calls, answers, executions, graded patches."""
    facts = results.facts
    found: dict[tuple[str, str], tuple[int, float | None]] = {}

    def add(kind: str, reason: str, count: int, usd: float | None) -> None:
        many, sum_usd = found.get((kind, reason), (0, 0.0))
        found[kind, reason] = (many + count, None if usd is None or sum_usd is None else sum_usd + usd)

    for task in facts.tasks:
        if task["state"] not in ("predicted", "waiting", "running"):
            why = plain_reason(task["reason"], task["id"])
            known = task["state"] in ENDED and not why
            add("task", task["state"] if known else f"{task['state']}: {why}", 1, task["cost_usd"])
    for row in facts.troubles:
        kind = "call that failed" if row["kind"] == "call" else "answer of no use"
        add(kind, f"{row['stage']}: {plain_reason(row['reason'], '')}", row["number"], row["usd"])
    for row in facts.executions:
        if row["reason"] != "exited":
            add("execution", f"{row['stage']}: {row['reason']}", row["number"], 0.0)
    for outcome, count in facts.outcomes.items():
        if outcome not in ("resolved", "not resolved"):
            add("graded patch", outcome, count, 0.0)
    rows = [
        (kind, reason, str(count), dollars(usd) if kind in PAID else "")
        for kind in dict.fromkeys(kind for kind, _ in found)
        for reason, (count, usd) in most_common(found, kind).items()
    ]
    headers = ("what", "reason", "number", "cost")
    nothing = () if rows else ("No task, call, answer or execution failed.",)
    return Section("Failures by reason", headers, tuple(rows), headers[2:], nothing)


PAID = ("task", "call that failed", "answer of no use")


def most_common(
    found: Mapping[tuple[str, str], tuple[int, float | None]], kind: str
) -> dict[str, tuple[int, float | None]]:
    """The most frequent reasons of one kind, with all others as one."""
    ordered = sorted(
        ((reason, count) for (of, reason), count in found.items() if of == kind),
        key=lambda item: (-item[1][0], item[0]),
    )
    listed, others = dict(ordered[:REASONS]), [count for _, count in ordered[REASONS:]]
    if others:
        listed["other reasons"] = (sum(count for count, _ in others), sum_of([usd for _, usd in others]))
    return listed


def plain_reason(reason: str, task: str) -> str:
    """A reason without what is told of one task, one step or one machine, so that equal ones count together."""
    text = one_line(reason).removeprefix(f"{task}: ") if task else one_line(reason)
    return shorten(without_folders(STEP.sub("", text)), 160)


def without_folders(text: str) -> str:
    """A text in which absolute paths are left with their last part."""
    return FOLDERS.sub("", text)

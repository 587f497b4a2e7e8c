"""Compares what two systems came to on the same tasks, as values. All functions here are pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import unified_diff
from math import comb
from typing import Any, Literal

from codemonkeys.report.statistics import Interval, bootstrap

Change = Literal["gained", "lost", "both", "neither", "unknown", "only first", "only second"]


@dataclass(frozen=True)
class TaskOutcome:
    """What became of one task."""

    state: str
    """How it ended, as the journal has it; of a predictions file `predicted` or `no prediction`."""
    resolved: bool | None
    """None without a verdict; a task that ended without a prediction is not resolved."""
    cost_usd: float | None = None
    """US dollars; None if unknown."""
    seconds: float | None = None
    """Time that its calls and executions took, one after another; None if unknown."""


@dataclass(frozen=True)
class Side:
    """A run, a named choice of one, or a predictions file."""

    name: str
    tasks: Mapping[str, TaskOutcome]
    version: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Those that decide results, by their full names; empty if unknown."""
    models: Mapping[str, str] = field(default_factory=dict[str, str])
    """By stage, the models that answered in it, as their providers name them."""
    prompts: Mapping[str, str] | None = None
    """Templates by name; None if they were not stored."""

    @property
    def graded(self) -> int:
        """Number of tasks with a known outcome."""
        return sum(task.resolved is not None for task in self.tasks.values())

    @property
    def resolved(self) -> int:
        """Number of tasks that are resolved."""
        return sum(task.resolved is True for task in self.tasks.values())

    @property
    def cost_usd(self) -> float | None:
        """US dollars of all tasks; None if one of them is unknown."""
        return total([task.cost_usd for task in self.tasks.values()])

    @property
    def seconds(self) -> float | None:
        """Time of all tasks; None if one of them is unknown."""
        return total([task.seconds for task in self.tasks.values()])


@dataclass(frozen=True)
class Difference:
    """Something by which two sides differ: a setting, a model, a version."""

    what: str
    first: str
    second: str


@dataclass(frozen=True)
class Comparison:
    """The second side against the first, over the tasks that both have."""

    first: str
    second: str
    changes: Mapping[str, Change]
    """By task, in the order of the first."""
    difference: Interval | None
    """Of the share of resolved tasks, second minus first, with its 95 % interval over resampled tasks; None without
    tasks that are graded in both."""
    p: float
    """Of McNemar's exact test, two-sided: how likely so uneven a split of gained and lost tasks is by chance alone."""
    cost_usd: float | None
    """US dollars, second minus first, over these tasks; None if unknown."""
    seconds: float | None
    differing: tuple[Difference, ...]
    prompts: Mapping[str, str]
    """Of templates that differ, a unified diff by name."""
    no_prompts: tuple[str, ...]
    """Sides whose templates are unknown."""

    def count(self, change: Change) -> int:
        """Number of tasks with a change."""
        return sum(found == change for found in self.changes.values())


def compare(first: Side, second: Side) -> Comparison:
    """The second side against the first."""
    changes = {
        task: change_of(first.tasks.get(task), second.tasks.get(task)) for task in {**first.tasks, **second.tasks}
    }
    step = {"gained": 1.0, "lost": -1.0, "both": 0.0, "neither": 0.0}
    steps = [step[change] for change in changes.values() if change in step]
    shared = [task for task in first.tasks if task in second.tasks]
    cost, seconds = (
        minus(
            total([getattr(second.tasks[t], name) for t in shared]),
            total([getattr(first.tasks[t], name) for t in shared]),
        )
        for name in ("cost_usd", "seconds")
    )
    known = first.prompts is not None and second.prompts is not None
    return Comparison(
        *(first.name, second.name, changes),
        difference=bootstrap(steps) if steps else None,
        p=mcnemar(steps.count(1.0), steps.count(-1.0)),
        cost_usd=cost if shared else None,
        seconds=seconds if shared else None,
        differing=differences(first, second),
        prompts=diffs(first.prompts or {}, second.prompts or {}) if known else {},
        no_prompts=tuple(side.name for side in (first, second) if side.prompts is None),
    )


def change_of(first: TaskOutcome | None, second: TaskOutcome | None) -> Change:
    """How a task changes from the first side to the second."""
    if first is None or second is None:
        return "only second" if first is None else "only first"
    if first.resolved is None or second.resolved is None:
        return "unknown"
    if first.resolved == second.resolved:
        return "both" if first.resolved else "neither"
    return "gained" if second.resolved else "lost"


def mcnemar(gained: int, lost: int) -> float:
    """McNemar's exact test, two-sided: the probability of a split at least as uneven, if both ways are as likely."""
    n = gained + lost
    share: float = 2 * sum(comb(n, k) for k in range(min(gained, lost) + 1)) / 2**n
    return min(1.0, share)


def differences(first: Side, second: Side) -> tuple[Difference, ...]:
    """Version, models and settings by which two sides differ; what is unknown of one of them differs in nothing."""
    found = []
    if first.version is not None and second.version is not None and first.version != second.version:
        found.append(Difference("version", first.version, second.version))
    if first.settings and second.settings:
        for kind, one, other in (("model of", first.models, second.models), ("", first.settings, second.settings)):
            found += [
                Difference(f"{kind} {name}".strip(), shown(one, name), shown(other, name))
                for name in dict.fromkeys([*one, *other])
                if shown(one, name) != shown(other, name)
            ]
    return tuple(found)


def shown(values: Mapping[str, Any], name: str) -> str:
    """A value, as it is told."""
    return str(values[name]) if name in values else "(none)"


def diffs(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, str]:
    """Unified diffs of the templates that differ, by name."""
    names = [name for name in sorted({*first, *second}) if first.get(name) != second.get(name)]
    found = {}
    for name in names:
        one, other = (text.get(name, "").splitlines(keepends=True) for text in (first, second))
        found[name] = "".join(unified_diff(one, other, f"{name}.jinja (first)", f"{name}.jinja (second)"))
    return found


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """A tree of settings, by their full names."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= flat(value, f"{before}{name}.") if isinstance(value, dict) and value else {f"{before}{name}": value}
    return found


def total(values: Sequence[float | None]) -> float | None:
    """The sum; None if one of them is unknown."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def minus(one: float | None, other: float | None) -> float | None:
    """The difference; None if one of them is unknown."""
    return None if one is None or other is None else one - other

"""The systems behind an ensemble, each alone and by family: what they cover, how often chosen, their scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codemonkeys.report.statistics import Verdict
from codemonkeys.report.stored_run import StoredRun


@dataclass(frozen=True)
class SystemResult:
    """A system, or a family of systems."""

    name: str
    family: str
    """Empty for a family itself."""
    members: int
    """Systems of a family; 1 for a system."""
    tasks: int
    """Tasks with a candidate of it."""
    chosen: int
    """Tasks in which the run chose one of its candidates, or an equivalent one."""
    scored: int
    """Tasks on which it is scored: those with a verdict on each of its candidates."""
    score: float | None
    """Share of these that it resolves: a family where any of its systems does; None without verdicts."""


def system_results(run: StoredRun, labels: Mapping[str, Sequence[Verdict]]) -> tuple[SystemResult, ...]:
    """Each system alone, best first; empty families count as the system's own."""
    found = {(source, family) for e in run.evidence.values() for source, family in pairs(run, e.task)}
    results = [result_of(run, labels, source, family, {source}) for source, family in found]
    return tuple(sorted(results, key=rank))


def family_results(run: StoredRun, labels: Mapping[str, Sequence[Verdict]]) -> tuple[SystemResult, ...]:
    """Each family of several systems, or all if any has several; empty if none has."""
    members: dict[str, set[str]] = {}
    for evidence in run.evidence.values():
        for source, family in pairs(run, evidence.task):
            members.setdefault(family, set()).add(source)
    if all(len(sources) == 1 for sources in members.values()):
        return ()
    results = [result_of(run, labels, family, "", sources) for family, sources in members.items()]
    return tuple(sorted(results, key=rank))


def pairs(run: StoredRun, task: str) -> list[tuple[str, str]]:
    """Source and family of each candidate of a task."""
    evidence = run.evidence[task]
    families = evidence.families or evidence.sources
    return [(source, family or source) for source, family in zip(evidence.sources, families, strict=True)]


def result_of(
    run: StoredRun, labels: Mapping[str, Sequence[Verdict]], name: str, family: str, sources: set[str]
) -> SystemResult:
    """What the candidates of these sources come to."""
    tasks = chosen = scored = right = 0
    for task, evidence in run.evidence.items():
        own = [k for k, source in enumerate(evidence.sources) if source in sources]
        tasks += bool(own)
        pick = run.choices.get(task)
        chosen += pick is not None and any(evidence.classes[k] == evidence.classes[pick] for k in own)
        verdicts = [labels[task][k] for k in own] if task in labels else [None]
        # A task that it has no candidate for is not resolved, where the others' verdicts are known.
        if None not in (verdicts or labels[task]):
            scored += 1
            right += any(verdicts)
    scored += len(run.without) if scored else 0
    return SystemResult(name, family, len(sources), tasks, chosen, scored, right / scored if scored else None)


def rank(result: SystemResult) -> tuple[float, int, str]:
    """Best first; without verdicts, those that cover most."""
    return (-(result.score or 0.0), -result.tasks, result.name)

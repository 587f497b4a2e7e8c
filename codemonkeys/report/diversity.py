"""Diversity of samples, by wave and by model.

Compare a run with `generation.diversity=memory`, or several `generation.models`, with one without.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codemonkeys.report.statistics import Verdict
from codemonkeys.report.stored_run import StoredRun
from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.patch_similarity import similarities


@dataclass(frozen=True)
class WaveResult:
    """Contribution of one wave of trajectories, over all tasks that reached it."""

    wave: int
    """From 1."""
    tasks: int
    """Tasks with a candidate of this wave."""
    candidates: int
    new: int
    """Candidates not equivalent to any from an earlier trajectory of the task."""
    alike: float | None
    """Mean similarity, 0 to 1, of its candidates to earlier ones, by location and words; None for the first wave."""
    right: float | None
    """Share of its candidates that are correct; None without verdicts."""
    coverage: float | None
    """Share of graded tasks with a correct candidate in this wave or an earlier one."""


@dataclass(frozen=True)
class ModelResult:
    """Contribution of one of several models."""

    model: str
    candidates: int
    distinct: int
    alone: int
    """Distinct candidates that no other model wrote."""
    right: float | None
    """Share of its candidates that are correct; None without verdicts."""
    coverage: float | None
    """Share of graded tasks for which it wrote a correct candidate."""


@dataclass(frozen=True)
class Diversity:
    """Diversity of the candidates that a run sampled."""

    how: str
    """The run's `generation.diversity`: such as `none` or `memory`."""
    candidates: int
    distinct: int
    """Equivalence classes of candidates, summed over tasks."""
    alike: float | None
    """Mean similarity of two candidates of a task; None if no task has two."""
    waves: tuple[WaveResult, ...]
    models: tuple[ModelResult, ...]
    """Empty unless several models wrote candidates."""


def diversity_of(run: StoredRun, used: Sequence[str], labels: Mapping[str, Sequence[Verdict]]) -> Diversity | None:
    """Diversity of a run's samples; None for an ensemble, whose candidates are not samples.

    `used`: the tasks with candidates that count; if there are verdicts, all of them are graded.
    """
    tasks = [run.evidence[task] for task in used]
    if not tasks or any(len(run.wave_of.get(e.task, ())) != len(e.patches) for e in tasks):
        return None
    # Tasks that ended without a candidate count as not covered.
    graded = len(used) + len(run.without) if all(task in labels for task in used) else 0
    pairs = [row[m] for e in tasks for k, row in enumerate(similarities(e.patches)) for m in range(k)]
    last = max(max(run.wave_of[e.task]) for e in tasks)
    models = list(dict.fromkeys(source for e in tasks for source in e.sources))
    return Diversity(
        how=run.diversity,
        candidates=sum(len(e.patches) for e in tasks),
        distinct=sum(len(set(e.classes)) for e in tasks),
        alike=_mean(pairs),
        waves=tuple(_wave(number, tasks, run.wave_of, labels, graded) for number in range(1, last + 1)),
        models=tuple(_model(name, tasks, labels, graded) for name in models) if len(models) > 1 else (),
    )


def _wave(
    number: int,
    tasks: Sequence[Evidence],
    wave_of: Mapping[str, Sequence[int]],
    labels: Mapping[str, Sequence[Verdict]],
    graded: int,
) -> WaveResult:
    here = [(e, k) for e in tasks for k, wave in enumerate(wave_of[e.task]) if wave == number]
    before = {e.task: [m for m, wave in enumerate(wave_of[e.task]) if wave < number] for e in tasks}
    alike = [similarities(e.patches)[k][m] for e, k in here for m in before[e.task]]
    so_far = (
        any(verdict and wave <= number for verdict, wave in zip(labels[e.task], wave_of[e.task], strict=True))
        for e in (tasks if graded else ())
    )
    return WaveResult(
        wave=number,
        tasks=len({e.task for e, _ in here}),
        candidates=len(here),
        new=sum(e.classes[k] == k for e, k in here),
        alike=_mean(alike),
        right=_mean([float(bool(labels[e.task][k])) for e, k in here]) if graded else None,
        coverage=sum(so_far) / graded if graded else None,
    )


def _model(name: str, tasks: Sequence[Evidence], labels: Mapping[str, Sequence[Verdict]], graded: int) -> ModelResult:
    own = [(e, k) for e in tasks for k, source in enumerate(e.sources) if source == name]
    classes = {(e.task, e.classes[k]) for e, k in own}
    others = {(e.task, e.classes[k]) for e in tasks for k, source in enumerate(e.sources) if source != name}
    right = [(e.task, bool(labels[e.task][k])) for e, k in own] if graded else []
    return ModelResult(
        model=name,
        candidates=len(own),
        distinct=len(classes),
        alone=len(classes - others),
        right=_mean([float(verdict) for _, verdict in right]),
        coverage=len({task for task, verdict in right if verdict}) / graded if graded else None,
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None

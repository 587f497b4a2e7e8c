"""Searches settings on graded runs: the frontier of resolved tasks against dollars, cross-validated over tasks.

After AgentTTS, arXiv 2508.00890, which searches models and budgets of each stage by feedback. Taken: the budgets of
stages depend on each other, so they are searched together. Not taken: an agent that proposes what to try; on stored
trajectories every point is cheap, so all are tried.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from codemonkeys.report.calibration import FEWEST, Calibration, calibrate
from codemonkeys.report.exponents import Exponents, fit_exponents
from codemonkeys.report.resampling import GradedTask
from codemonkeys.report.statistics import Interval, bootstrap
from codemonkeys.report.tuning_outcomes import Config, outcomes

if TYPE_CHECKING:
    from numpy.typing import NDArray

FOLDS = 5
LEVELS = 8
"""Points of the frontier, by cost."""


@dataclass(frozen=True)
class Point:
    """A point of the frontier."""

    usd: float
    """Mean cost of a task's trajectories in US dollars, of the settings that all tasks choose."""
    config: Config
    """What all tasks together choose at this cost."""
    resolved: Interval
    """Share of tasks resolved, each by what the tasks of other folds choose at this cost."""
    usd_held_out: float
    """What these cost on average."""
    in_sample: float
    """Share of tasks resolved by what they chose themselves: too good by how much was chosen among."""
    against_run: Interval
    """By how much the cross-validated share is above that of what the run chose itself."""


@dataclass(frozen=True)
class Tuned:
    """The result of a search."""

    tasks: int
    configs: int
    run_resolved: Interval
    """Share of tasks that the run's own choices resolve."""
    run_usd: float
    """Mean cost of a task's trajectories in the run, in US dollars."""
    frontier: tuple[Point, ...]
    """In rising cost."""
    calibration: Calibration | None
    """Of all tasks; None if these are too few."""
    exponents: Exponents | None = None
    """How samples and tests grow with compute; None if the runs cannot tell."""

    def cheapest_as_good(self) -> Point | None:
        """The cheapest point whose cross-validated share is not below the run's own; None if none is."""
        return next((point for point in self.frontier if point.against_run.value >= 0), None)

    def best_within(self, usd: float) -> Point | None:
        """The best point that costs no more, by the cross-validated share; None if none is as cheap."""
        within = [point for point in self.frontier if point.usd <= usd + 1e-9]
        return max(within, key=lambda point: (point.resolved.value, -point.usd), default=None)


def tune(
    tasks: Sequence[GradedTask], chosen: Sequence[float], at: float | None = None, draws: int = 4, seed: int = 0
) -> Tuned:
    """Search. Raises ValueError for fewer than 10 tasks; one that two runs have is one.

    `chosen`: for each task, 1 if what the run chose is right. `at`: a cost per task for which a point is looked for
    besides. `draws`: orders in which the trajectories of a task are drawn again.
    """
    import numpy as np

    if (distinct := len({task.id for task in tasks})) < FEWEST:
        raise ValueError(f"{distinct} graded tasks are too few; {FEWEST} are needed")
    fold_of = folds([task.id for task in tasks], seed)
    measured = [calibration_of([t for t, f in zip(tasks, fold_of, strict=True) if f != fold]) for fold in range(FOLDS)]
    found = outcomes(tasks, [measured[fold] for fold in fold_of], draws, seed)
    configs = list(found.resolved)
    resolved = np.stack([found.resolved[config] for config in configs])
    usd = np.stack([found.usd[config] for config in configs])
    own = np.array(chosen)
    points = []
    for level in sorted([*levels(usd.mean(axis=1)), *([] if at is None else [at])]):
        all_choose = best(resolved, usd, level)
        held_out, cost = np.zeros(len(tasks)), np.zeros(len(tasks))
        for fold in range(FOLDS):
            mine = np.array(fold_of) == fold
            choice = best(resolved[:, ~mine], usd[:, ~mine], level)
            held_out[mine], cost[mine] = resolved[choice, mine], usd[choice, mine]
        points.append(
            Point(
                usd=float(usd[all_choose].mean()),
                config=configs[all_choose],
                resolved=over_tasks(tasks, held_out),
                usd_held_out=float(cost.mean()),
                in_sample=float(resolved[all_choose].mean()),
                against_run=over_tasks(tasks, held_out - own),
            )
        )
    return Tuned(
        tasks=len(tasks),
        configs=len(configs),
        run_resolved=over_tasks(tasks, own),
        run_usd=sum(each.cost() for task in tasks for each in task.trajectories) / len(tasks),
        frontier=tuple({point.config: point for point in points}.values()),
        calibration=calibration_of(tasks),
        exponents=fit_exponents(tasks, max(1, draws // 2), seed),
    )


def folds(tasks: Sequence[str], seed: int) -> list[int]:
    """The fold of each task, at random and of equal sizes; a task that two runs have is in one fold."""
    order = sorted(set(tasks))
    random.Random(seed).shuffle(order)
    place = {task: number % FOLDS for number, task in enumerate(order)}
    return [place[task] for task in tasks]


def over_tasks(tasks: Sequence[GradedTask], values: NDArray[Any]) -> Interval:
    """The mean with its interval; a task that two runs have counts once, by the mean of both."""
    of_task: dict[str, list[float]] = {}
    for task, value in zip(tasks, values, strict=True):
        of_task.setdefault(task.id, []).append(float(value))
    return bootstrap([sum(each) / len(each) for each in of_task.values()])


def levels(usd: NDArray[Any]) -> list[float]:
    """Costs at which points of the frontier are looked for: evenly in their logarithm, as returns diminish."""
    import numpy as np

    low, high = float(usd.min()), float(usd.max())
    if low <= 0:
        return [float(each) for each in np.linspace(low, high, LEVELS)]
    return [float(each) for each in np.geomspace(low, high, LEVELS)]


def best(resolved: NDArray[Any], usd: NDArray[Any], level: float) -> int:
    """The point that resolves most for at most so much per task; of equal ones the cheapest, then the first."""
    import numpy as np

    cost, share = usd.mean(axis=1), resolved.mean(axis=1)
    fits = cost <= level * (1 + 1e-6) + 1e-12
    if not fits.any():
        return int(np.argmin(cost))
    return int(np.lexsort((cost, -np.where(fits, share, -1.0).round(9)))[0])


def calibration_of(tasks: Sequence[GradedTask]) -> Calibration | None:
    """What these tasks say of kinds of tasks and of tests."""
    evidence = {task.id: task.evidence for task in tasks if task.evidence is not None}
    labels = {task.id: task.verdicts for task in tasks}
    return calibrate(evidence, labels, {task.id: len(task.trajectories) for task in tasks})

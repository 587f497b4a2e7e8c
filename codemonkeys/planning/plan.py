"""Estimates a run before anything is spent: cost of its tasks, and what a budget can buy."""

from __future__ import annotations

import tempfile
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean

from codemonkeys.models.roles import ModelSet
from codemonkeys.planning.costs import PAPER_SOURCE, costs
from codemonkeys.planning.experience import Experience
from codemonkeys.planning.measures import LISTED_TOKENS, Batch, CountingModel, Measures, counting_steps, measure
from codemonkeys.planning.models import PlannedModels
from codemonkeys.planning.stage_cost import StageCost
from codemonkeys.settings import Settings
from codemonkeys.stages import ASKING, CONTEXT_MODES
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.local_snapshot import local_snapshot
from codemonkeys.tasks.one_commit import commit_tree
from codemonkeys.tasks.snapshot import Snapshot

TURNS = (1, 2, 4, 8)
MAX_SAMPLES = 100
PATH_TOKENS = 12


@dataclass(frozen=True)
class TaskEstimate:
    """The estimate of one task."""

    task: str
    measured: bool
    """Whether its repository is on this machine and was measured; otherwise its size is extrapolated."""
    files: int
    source_tokens: int
    stages: Mapping[str, StageCost]

    @property
    def total(self) -> StageCost:
        """The sum over all stages."""
        return sum(self.stages.values(), StageCost())


@dataclass(frozen=True)
class BudgetOption:
    """How many samples per task the budget buys at a number of turns per conversation."""

    turns: int
    samples: int
    """0 if the budget does not buy a single one."""
    expected_usd: float
    """Cost of the whole run with this many samples, or with one if the budget buys none."""


@dataclass(frozen=True)
class Plan:
    """The estimate of a run."""

    tasks: tuple[TaskEstimate, ...]
    affordable: tuple[BudgetOption, ...]
    """Empty without a budget or without known prices."""

    @property
    def stages(self) -> dict[str, StageCost]:
        """The sum over all tasks, by stage."""
        return {
            stage.name: sum((planned.stages[stage.name] for planned in self.tasks), StageCost()) for stage in ASKING
        }

    @property
    def total(self) -> StageCost:
        """The sum over all tasks and stages."""
        return sum(self.stages.values(), StageCost())


def make_plan(
    tasks: Sequence[Task],
    settings: Settings,
    models: PlannedModels,
    home: Path,
    notify: Callable[[str], None] = lambda task: None,
    experience: Experience | None = None,
) -> Plan:
    """Estimate a run of tasks, without network access. Raises EnvironmentFailed, BadSettings.

    `experience`: what the expected figures are taken from, instead of the paper's conversations.
    `notify` is called with the id of each task whose repository is about to be measured.
    """
    measured: dict[str, Measures] = {}
    counter = CountingModel("plan", models.primary.price)
    with counting_steps(settings, ModelSet(counter, counter)) as steps:
        for task in tasks:
            snapshot = local_snapshot(task, home)
            if snapshot is not None:
                notify(task.id)
                with snapshot:
                    measured[task.id] = measure(task, snapshot, settings, steps)
        source_tokens = _source_tokens(tasks, measured)
        with _empty_snapshot() as empty:
            all_measures = {
                task.id: measured.get(task.id)
                or _extrapolate(measure(task, empty, settings, steps), settings, source_tokens[task.id])
                for task in tasks
            }
    planned = tuple(
        TaskEstimate(task.id, task.id in measured, m.files, m.source, costs(m, settings, models, experience))
        for task in tasks
        for m in (all_measures[task.id],)
    )
    return Plan(planned, _affordable(tuple(all_measures.values()), settings, models, experience))


def _source_tokens(tasks: Sequence[Task], measured: Mapping[str, Measures]) -> dict[str, float]:
    """Assumed source tokens by task: the mean of its project's measured tasks, else of all, else the paper's."""
    by_repo = defaultdict(list)
    for task in tasks:
        if task.id in measured:
            by_repo[task.repo].append(measured[task.id].source)
    everywhere = [source for sources in by_repo.values() for source in sources] or [PAPER_SOURCE]
    return {task.id: fmean(by_repo.get(task.repo) or everywhere) for task in tasks}


@contextmanager
def _empty_snapshot() -> Iterator[Snapshot]:
    """A snapshot without files."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tree").mkdir()
        commit_tree(Path(folder) / "tree", Path(folder) / "git")
        with Snapshot.of_repository(Path(folder) / "git") as snapshot:
            yield snapshot


def _extrapolate(empty: Measures, settings: Settings, source: float) -> Measures:
    """Measures of a task without a local repository. `empty`: its measures without files; `source`: assumed tokens."""
    batch = max(1, settings.context.batch_tokens)
    files_each = max(1, batch // 1_500)
    number = max(1, round(source / batch))
    whole = (Batch(files_each, batch + files_each * LISTED_TOKENS),) * number
    short = (Batch(files_each, batch + files_each * LISTED_TOKENS),) * max(1, round(number / 3))
    forms = CONTEXT_MODES[settings.context.mode].forms
    passes = tuple(whole if form == "whole" else short for form in forms)
    digests = short if "digest" in forms else ()
    files = number * files_each
    return replace(
        empty,
        passes=passes,
        digests=digests,
        files=files,
        source=round(source),
        paths=files * (LISTED_TOKENS + PATH_TOKENS),
    )


def _affordable(
    measures: Sequence[Measures], settings: Settings, models: PlannedModels, experience: Experience | None
) -> tuple[BudgetOption, ...]:
    operation = settings.operation
    budgets = [operation.task_budget and operation.task_budget * len(measures), operation.budget]
    money = min((budget for budget in budgets if budget is not None), default=None)
    if money is None or not models.are_priced:
        return ()

    def cost(samples: int, turns: int) -> float:
        generation = {"samples": samples, "test_turns": turns, "edit_turns": turns}
        changed = settings.model_copy(update={"generation": settings.generation.model_copy(update=generation)})
        found = (costs(m, changed, models, experience) for m in measures)
        return sum(stage.expected_usd or 0.0 for stages in found for stage in stages.values())

    options = []
    for turns in TURNS:
        samples = bisect_right(range(1, MAX_SAMPLES + 1), money, key=partial(cost, turns=turns))
        options.append(BudgetOption(turns, samples, cost(max(samples, 1), turns)))
    return tuple(options)

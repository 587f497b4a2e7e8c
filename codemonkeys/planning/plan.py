"""A plan of a run: what its tasks come to before anything is spent, and what a budget can buy."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

from codemonkeys.models.base import Price
from codemonkeys.planning.costs import PAPER_SOURCE, StageCost, costs
from codemonkeys.planning.measures import LISTED_TOKENS, Batch, Counter, Measures, counting, measure
from codemonkeys.settings import Settings
from codemonkeys.stages import ASKING, CONTEXT_MODES
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.local_snapshot import local_snapshot
from codemonkeys.tasks.one_commit import commit_tree
from codemonkeys.tasks.snapshot import Snapshot

TURNS = (1, 2, 4, 8)
MOST_SAMPLES = 100
PATH_TOKENS = 12


@dataclass(frozen=True)
class Planned:
    """A task of the plan."""

    task: str
    measured: bool
    """Its codebase is on this machine; else it is estimated by those that are."""
    files: int
    source_tokens: int
    stages: Mapping[str, StageCost]

    @property
    def total(self) -> StageCost:
        """All stages."""
        return sum(self.stages.values(), StageCost())


@dataclass(frozen=True)
class Affordable:
    """How many samples a task can have, with so many turns in each conversation, for the money that is given."""

    turns: int
    samples: int
    """0: not one."""
    expected_usd: float
    """Of the whole run with them; of one sample if not one can be had."""


@dataclass(frozen=True)
class Plan:
    """What a run comes to."""

    tasks: tuple[Planned, ...]
    affordable: tuple[Affordable, ...]
    """Empty without a budget, or where nobody knows the prices."""

    @property
    def stages(self) -> dict[str, StageCost]:
        """All tasks, by stage."""
        return {
            stage.name: sum((planned.stages[stage.name] for planned in self.tasks), StageCost()) for stage in ASKING
        }

    @property
    def total(self) -> StageCost:
        """All tasks and stages."""
        return sum(self.stages.values(), StageCost())


def make_plan(
    tasks: Sequence[Task],
    settings: Settings,
    primary: Price | None,
    scan: Price | None,
    home: Path,
    notify: Callable[[str], None] = lambda task: None,
) -> Plan:
    """Plan a run of tasks; nothing goes over the network. Raises EnvironmentFailed, BadSettings.

    `notify` is called with the id of each task whose codebase is here and about to be counted.
    """
    measured: dict[str, Measures] = {}
    with counting(settings, Counter("plan", primary)) as steps:
        for task in tasks:
            snapshot = local_snapshot(task, home)
            if snapshot is not None:
                notify(task.id)
                with snapshot:
                    measured[task.id] = measure(task, snapshot, settings, steps)
        typical = _typical(tasks, measured)
        with _empty() as nothing:
            all_measures = {
                task.id: measured.get(task.id)
                or _estimated(measure(task, nothing, settings, steps), settings, typical[task.id])
                for task in tasks
            }
    planned = tuple(
        Planned(task.id, task.id in measured, m.files, m.source, costs(m, settings, primary, scan))
        for task in tasks
        for m in (all_measures[task.id],)
    )
    return Plan(planned, _affordable(tuple(all_measures.values()), settings, primary, scan))


def _typical(tasks: Sequence[Task], measured: Mapping[str, Measures]) -> dict[str, float]:
    """Source tokens of each task: the mean of its repository's measured tasks, else of all, else the paper's."""
    by_repo = defaultdict(list)
    for task in tasks:
        if task.id in measured:
            by_repo[task.repo].append(measured[task.id].source)
    everywhere = [source for sources in by_repo.values() for source in sources] or [PAPER_SOURCE]
    return {task.id: fmean(by_repo.get(task.repo) or everywhere) for task in tasks}


@contextmanager
def _empty() -> Iterator[Snapshot]:
    """A codebase without files."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "tree").mkdir()
        commit_tree(Path(folder) / "tree", Path(folder) / "git")
        with Snapshot.of_repository(Path(folder) / "git") as snapshot:
            yield snapshot


def _estimated(empty: Measures, settings: Settings, source: float) -> Measures:
    """The measures of a task whose codebase is not here: of its issue alone, and source files of so many tokens."""
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
    measures: Sequence[Measures], settings: Settings, primary: Price | None, scan: Price | None
) -> tuple[Affordable, ...]:
    operation = settings.operation
    budgets = [operation.task_budget and operation.task_budget * len(measures), operation.budget]
    money = min((budget for budget in budgets if budget is not None), default=None)
    if money is None or primary is None or scan is None:
        return ()

    def cost(samples: int, turns: int) -> float:
        turned = {"samples": samples, "test_turns": turns, "edit_turns": turns}
        wanted = settings.model_copy(update={"generation": settings.generation.model_copy(update=turned)})
        return sum(stage.expected_usd or 0.0 for m in measures for stage in costs(m, wanted, primary, scan).values())

    found = []
    for turns in TURNS:
        samples = 0
        while samples < MOST_SAMPLES and cost(samples + 1, turns) <= money:
            samples += 1
        found.append(Affordable(turns, samples, cost(max(samples, 1), turns)))
    return tuple(found)

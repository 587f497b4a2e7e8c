"""Estimates what it costs to make the digests of repositories ahead, given those that are stored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from codemonkeys.context.digest_calls import DEFINITIONS, batches_of, message
from codemonkeys.context.digests import parts_of, subjects_of
from codemonkeys.context.reading import source_files
from codemonkeys.context.survey import look
from codemonkeys.engine.steps import Steps
from codemonkeys.journal.digest_store import DigestStore
from codemonkeys.models.base import Usage
from codemonkeys.models.roles import ModelSet, longest_answer
from codemonkeys.planning.costs import DIGEST_ANSWER
from codemonkeys.planning.measures import counting_steps
from codemonkeys.planning.models import PlannedModels
from codemonkeys.planning.stage_cost import StageCost, stage_cost, total, upper_bound
from codemonkeys.runs.no_sandbox import NOWHERE
from codemonkeys.runs.runner import open_work
from codemonkeys.settings import Settings
from codemonkeys.stages import DIGEST
from codemonkeys.tasks.base import Task, Workspace
from codemonkeys.tasks.local_snapshot import local_snapshot
from codemonkeys.tasks.snapshot import Snapshot


@dataclass(frozen=True)
class SleepEstimate:
    """What the digests of one repository at one commit would cost."""

    task: str
    files: int
    definitions: int
    asked: int
    """Definitions that are so long that a model describes them."""
    known: int
    """Of these, those that are stored, or that an earlier one of the estimate would have stored."""
    cost: StageCost


def sleep_estimates(
    tasks: Sequence[Task], settings: Settings, counting: ModelSet, models: PlannedModels, home: Path
) -> Iterator[SleepEstimate | str]:
    """The estimate of each task in order; the id alone of one whose repository is not on this machine.

    `counting`: stand-ins with the names and parameters of the models. Raises EnvironmentFailed, JournalError.
    """
    path, made = settings.context.digests or home / "digests.db", set[str]()
    with counting_steps(settings, counting) as steps:
        for task in tasks:
            if (snapshot := local_snapshot(task, home)) is None:
                yield task.id
                continue
            with snapshot:
                yield _estimate(task, snapshot, settings, steps, models, path, made)


def _estimate(
    task: Task, snapshot: Snapshot, settings: Settings, steps: Steps, models: PlannedModels, store: Path, made: set[str]
) -> SleepEstimate:
    """`made`: keys of digests that earlier tasks would have stored; those of this one are added."""
    work = open_work(Workspace(task, snapshot, NOWHERE), settings, steps)
    parts = [parts_of(file) for file in source_files(work, look(task, snapshot, settings.context))]
    subjects = {key: described.subject for key, described in subjects_of(work, parts).items()}
    known = made & subjects.keys()
    if store.exists():
        with closing(DigestStore(store)) as digests:
            known |= digests.get(subjects).keys()
    made |= subjects.keys()
    missing = {key: subject for key, subject in subjects.items() if key not in known}
    batches = batches_of(work, DEFINITIONS, missing)
    count = work.models.scan.count_tokens
    system = count(work.prompts("definition.system"))
    repair = count(work.prompts("definition.repair", problem="", count=len(missing))) + 10 * len(missing)
    prompts = [count(message(work, DEFINITIONS, [missing[key] for key in batch])) for batch in batches]
    most: float | None = 0.0
    for prompt in prompts:
        bound = upper_bound(models, DIGEST.name, system, prompt, 2, longest_answer(settings, "scan"), repair)
        most = total(most, bound)
    usage = Usage(sum(prompts) + system * len(prompts), DIGEST_ANSWER * len(missing))
    cost = stage_cost(models, DIGEST.name, len(prompts), usage, 2 * len(prompts), most)
    definitions = sum(len(part.digest.definitions) for part in parts)
    return SleepEstimate(task.id, len(parts), definitions, len(subjects), len(known), cost)

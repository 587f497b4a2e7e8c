"""The execution part of the selection benchmark: real candidates of SWE-bench tasks, compared by running them.

Every distinct candidate runs the repository's own tests that are found relevant, and test scripts written by hand from
the issue texts alone (`benchmarks/scripts`). Verdicts are read only after all evidence is complete.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from codemonkeys.engine.steps import Steps
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.patch import check_patch
from codemonkeys.journal.store import Journal
from codemonkeys.models.fake import FakeModel
from codemonkeys.models.fake_answers import answer
from codemonkeys.models.roles import ModelSet
from codemonkeys.runs.runner import open_work
from codemonkeys.selection.collect_evidence import SelectionInput, collect_evidence
from codemonkeys.settings import load_settings
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.environments import prepare
from codemonkeys.tasks.sources import load_tasks
from sandboxes.local import LocalSandbox

SCRIPTS = Path(__file__).with_name("scripts")
TASKS = (
    "mwaskom__seaborn-3190",
    "pylint-dev__pylint-6506",
    "pylint-dev__pylint-7993",
    "pytest-dev__pytest-10051",
    "pytest-dev__pytest-11143",
    "sympy__sympy-23262",
    "sympy__sympy-24066",
)
"""Those that are said to have right and wrong candidates: on the others every rule does as well."""


def candidates_of(task: Task) -> list[dict[str, str | bool]]:
    """The rows of a task's candidates that have a patch. They contain verdicts too, which only the report uses."""
    assert task.folder is not None
    rows = (json.loads(line) for line in (task.folder / "candidates.jsonl").read_text().splitlines())
    return [row for row in rows if row["model_patch"].strip()]


def scripts_of(task: str) -> list[str]:
    """The hand-written test scripts of a task, ordered by name."""
    return [path.read_text() for path in sorted((SCRIPTS / task).glob("*.py"))]


def contested(source: Path) -> list[Task]:
    """The tasks of the benchmark."""
    return list(load_tasks(str(source), TASKS))


def collect_all(tasks: Iterable[Task], home: Path) -> dict[str, tuple[SelectionInput, tuple[int, ...]]]:
    """The evidence of each task, with the row in `candidates_of` of each of its candidates.

    What ran is kept in `home`, beside the environments, and does not run again.
    """
    return {task.id: asyncio.run(collect_one(task, home, home / "evidence" / task.id)) for task in tasks}


async def collect_one(task: Task, home: Path, runs: Path) -> tuple[SelectionInput, tuple[int, ...]]:
    """The evidence of one task, collected as the pipeline does for its own candidates."""
    settings = load_settings()
    model = FakeModel(answer)
    sandbox = LocalSandbox()
    workspace = await asyncio.to_thread(prepare, task, home, "folders")
    rows = candidates_of(task)
    with closing(workspace.snapshot), closing(sandbox), closing(Journal(runs, "executed", task.id, {})) as journal:
        journal.add_tasks([task])
        work = open_work(workspace, settings, Steps(journal, ModelSet(model, model), sandbox, settings.operation))
        applying = [n for n, row in enumerate(rows) if not check_patch(work.snapshot, str(row["model_patch"]))]
        candidates = [
            Candidate(n, str(rows[n]["model_patch"]), "", approved=True, source=str(rows[n]["model_name_or_path"]))
            for n in applying
        ]
        inputs = await collect_evidence(work, candidates, scripts_of(task.id))
    return inputs, tuple(applying)

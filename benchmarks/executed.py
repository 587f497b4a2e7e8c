"""The executed half of the selection benchmark: real candidates of SWE-bench tasks, told apart by running them.

Every distinct candidate runs the repository's own tests that we find for it, and test scripts that were written by
hand from the issue texts alone (`benchmarks/scripts`). The verdicts are read only after all evidence is complete.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.patch import check_patch
from codemonkeys.journal.store import Journal
from codemonkeys.models.dry_run import answer
from codemonkeys.models.fake import FakeModel
from codemonkeys.runner import open_work
from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.gather import gather
from codemonkeys.settings import load_settings
from codemonkeys.steps import Steps
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.environments import prepare
from codemonkeys.tasks.sources import load_tasks
from sandboxes.local import LocalSandbox

SCRIPTS = Path(__file__).with_name("scripts")


def candidates_of(task: Task) -> list[dict[str, str | bool]]:
    """The rows of a task's candidates that hold a patch; only what is in `model_patch` and `model_name_or_path` may
    be looked at before the verdicts are due."""
    assert task.folder is not None
    rows = (json.loads(line) for line in (task.folder / "candidates.jsonl").read_text().splitlines())
    return [row for row in rows if row["model_patch"].strip()]


def scripts_of(task: str) -> list[str]:
    """The hand-written test scripts of a task, in order of their names."""
    return [path.read_text() for path in sorted((SCRIPTS / task).glob("*.py"))]


def contested(source: Path) -> list[Task]:
    """The tasks for which there are scripts, and candidates."""
    tasks = load_tasks(str(source), None)
    return [t for t in tasks if t.folder and (t.folder / "candidates.jsonl").is_file() and scripts_of(t.id)]


def gather_all(tasks: Iterable[Task], home: Path) -> dict[str, tuple[Evidence, tuple[int, ...]]]:
    """For each task its evidence, and for each candidate in it its row among `candidates_of`."""
    found = {}
    with TemporaryDirectory() as folder:
        for number, task in enumerate(tasks):
            found[task.id] = asyncio.run(gather_one(task, home, Path(folder) / str(number)))
    return found


async def gather_one(task: Task, home: Path, runs: Path) -> tuple[Evidence, tuple[int, ...]]:
    """The evidence of one task, as a run of the pipeline would gather it of its own candidates."""
    settings = load_settings()
    model = FakeModel(answer)
    sandbox = LocalSandbox()
    workspace = await asyncio.to_thread(prepare, task, home, "local")
    rows = candidates_of(task)
    with closing(workspace.snapshot), closing(sandbox), closing(Journal(runs, "executed", task.id, {})) as journal:
        journal.add_tasks([task])
        work = open_work(workspace, settings, Steps(journal, model, model, sandbox, settings.operation))
        applying = [n for n, row in enumerate(rows) if not check_patch(work.snapshot, str(row["model_patch"]))]
        candidates = [
            Candidate(n, str(rows[n]["model_patch"]), "", approved=True, source=str(rows[n]["model_name_or_path"]))
            for n in applying
        ]
        gathered = await gather(work, candidates, scripts_of(task.id))
    return gathered.evidence, tuple(applying)

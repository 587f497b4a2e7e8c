"""Runs of the version before (0.1.0 at abf2ed1), stopped in the middle: they open, resume and are exported.

`tests/data/runs/*.sql` are dumps of their journals. They were made by the `fake` model and `present` as the sandbox, on
the repository below, and stopped after some calls.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys import open_run
from codemonkeys.engine.steps import Steps
from codemonkeys.journal import run_files
from codemonkeys.journal.digest_store import DigestStore
from codemonkeys.journal.store import Journal
from codemonkeys.models.base import Price, Request
from codemonkeys.models.fake import FakeModel
from codemonkeys.models.fake_answers import answer
from codemonkeys.models.roles import ModelSet
from codemonkeys.report.exports import export
from codemonkeys.runs.resuming import read_stored
from codemonkeys.runs.runner import run_tasks
from codemonkeys.selection.collect_evidence import stored_evidence
from codemonkeys.tasks.base import Task, Workspace
from codemonkeys.tasks.predictions import read_predictions
from codemonkeys.tasks.snapshot import Snapshot
from tests.fakes import PLACE, TASK, AnsweringSandbox
from tests.rooms import present

DUMPS = Path(__file__).parents[1] / "data" / "runs"
FILES = {
    "module.py": "def function():\n    return 1\n",
    "other.py": "import module\n\n\nclass Other:\n"
    '    """Does other things."""\n\n    def method(self):\n        return module.function()\n',
}


def restore(name: str, runs: Path) -> Path:
    """Write the database of a run again; returns its path."""
    path = runs / name / "run.db"
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((DUMPS / f"{name}.sql").read_text())
    return path


@pytest.mark.parametrize("name", ["conversation", "judge", "ballots"])
@pytest.mark.slow
def test_old_run_resumes_without_asking_anything_again(
    name: str, tmp_path: Path, make_repository: Callable[..., Path]
) -> None:
    runs, repository = tmp_path / "runs", make_repository(FILES)
    database = restore(name, runs)
    before = open_run(database)
    costs = {call.id: call.cost_usd for call in before.calls() if call.state == "done"}
    stored = {(c.task, c.stage, c.sample, c.turn) for c in before.calls() if c.state == "done"}
    assert stored and any(task.state in ("waiting", "running") for task in before.tasks())

    settings = read_stored(runs, name, {}).settings
    requests: list[Request] = []

    def answered(request: Request) -> str:
        requests.append(request)
        return answer(request)

    model = FakeModel(answered, Price(3e-6, 15e-6, 0.3e-6, 3.75e-6))
    with (
        closing(Journal(runs, name, "source", {"ids": [], **settings.model_dump(mode="json")})) as journal,
        closing(DigestStore(tmp_path / "digests.db")) as digests,
    ):
        models, sandbox = ModelSet(model, model), AnsweringSandbox(present)
        steps = Steps(journal, models, sandbox, settings.operation, digests=digests)
        tasks = [replace(TASK, id=f"owner__name-{number}") for number in range(2)]

        def prepare(task: Task) -> Workspace:
            return Workspace(task, Snapshot.of_repository(repository), PLACE)

        ended = asyncio.run(run_tasks(tasks, settings, steps, prepare))
    assert [str(result.state) for result in ended] == ["predicted"] * 2, ended
    assert {id: call.cost_usd for call in open_run(database).calls() if (id := call.id) in costs} == costs
    asked = {(*request.key[:4],) for request in requests}
    assert asked and not asked & stored
    run = open_run(database)
    assert {call.state for call in run.calls()} == {"done"}
    assert len(run.calls()) == len(stored) + len(requests)
    chosen = {(c.task, c.number): c.patch for c in run.candidates()}
    for task in run.tasks():
        assert task.patch and task.patch == chosen[task.id, task.candidate or 0]

    with run_files.reading(database) as connection:
        if name == "judge":  # What it judged without counting samples is read so in a study too.
            known = [stored_evidence(connection, task.id) for task in tasks]
            assert [found and found.by_samples for found in known] == [False, False]
        for form, file in (("preds", "preds.json"), ("recording", "recording.jsonl"), ("atif", "trajectories")):
            export(connection, database.parent, tmp_path / file, form, False)
    assert sorted(read_predictions(tmp_path / "preds.json")) == [task.id for task in tasks]

"""A task of a sub-folder: a patch that reaches beyond it is said."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys.engine.events import Event
from codemonkeys.engine.steps import Steps
from codemonkeys.journal.store import Journal
from codemonkeys.models.fake_answers import FILE, answer
from codemonkeys.models.roles import ModelSet
from codemonkeys.runs.runner import run_tasks
from codemonkeys.settings import load_settings
from codemonkeys.tasks.base import Task, Workspace
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason
from tests.fakes import PLACE, TASK, AnsweringModel, AnsweringSandbox


@pytest.mark.parametrize(("scope", "said"), [("pkg", f"its patch changes files outside pkg: {FILE}"), ("", "")])
def test_a_patch_that_reaches_beyond_the_scope_is_said(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], scope: str, said: str
) -> None:
    """The fake model's edit creates a file at the root, by its path from there."""
    snapshot, events = make_snapshot({"pkg/a.py": "x = 1\n", "b.py": "y = 1\n"}), list[Event]()
    settings, model = load_settings(generation={"samples": 1}, selection={"turns": 0}), AnsweringModel(answer)

    def prepare(task: Task) -> Workspace:
        return Workspace(task, Snapshot.of_repository(snapshot.git_dir), PLACE)

    task = replace(TASK, scope=scope)
    with closing(Journal(tmp_path, "run", "source", {})) as journal:
        journal.add_tasks([task])
        sandbox = AnsweringSandbox(lambda script, patch: Execution(Reason.EXITED, 0 if patch else 2))
        steps = Steps(journal, ModelSet(model, model), sandbox, settings.operation, notify=events.append)
        (ended,) = asyncio.run(run_tasks([task], settings, steps, prepare))
        steps.close()
    assert ended.state == "predicted", ended
    notes = [event.text for event in events if "outside" in event.text]
    assert [text.removeprefix(f"{TASK.id}: ") for text in notes] == [said] * bool(said)

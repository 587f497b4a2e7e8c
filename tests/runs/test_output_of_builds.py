"""A build that fails: one line as the reason, everything else in a file that it names."""

from __future__ import annotations

import asyncio
import stat
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from codemonkeys import open_run
from codemonkeys.models.fake import FakeModel
from codemonkeys.models.fake_answers import answer
from codemonkeys.runs.runner import run_tasks
from codemonkeys.settings import load_settings
from codemonkeys.system.programs import failure
from codemonkeys.tasks.base import Task, Workspace
from tests.fakes import TASK, AnsweringSandbox, open_steps
from tests.rooms import present

OUTPUT = "\n".join(f"pip says {number}" for number in range(400))


def test_the_reason_is_one_line_and_names_the_log(tmp_path: Path) -> None:
    def prepare(task: Task) -> Workspace:
        raise failure(f"{task.id}: pip failed", OUTPUT)

    steps = open_steps(tmp_path, FakeModel(answer), AnsweringSandbox(present))
    task = replace(TASK, id="owner/name 1")
    with closing(steps.journal):

        async def run() -> None:
            await run_tasks([task], load_settings(model="fake"), steps, prepare)

        asyncio.run(run())
        steps.close()
    log = tmp_path / "run" / "logs" / "environments" / "owner-name-1.log"
    assert log.read_text() == f"{OUTPUT}\n" and stat.S_IMODE(log.stat().st_mode) == 0o600
    (ended,) = [stored for stored in open_run(tmp_path / "run").tasks() if stored.id == task.id]
    assert ended.state == "environment failed"
    assert ended.reason == (
        f"owner/name 1: pip failed. It said: pip says 397 | pip says 398 | pip says 399. All of its output: {log}"
    )

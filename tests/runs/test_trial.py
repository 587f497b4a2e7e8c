"""Scripts that cannot run are found before a call is paid, and a run that tested nothing says so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from codemonkeys.cli.exits import Exit, exit_of, warn_of_untested
from codemonkeys.engine.steps import Steps
from codemonkeys.journal.store import Journal
from codemonkeys.models.fake_answers import answer
from codemonkeys.models.roles import ModelSet
from codemonkeys.runs.outcomes import TaskResult
from codemonkeys.runs.runner import run_tasks
from codemonkeys.runs.session import RunRequest, Session, Summary
from codemonkeys.settings import load_settings
from codemonkeys.tasks.base import Task, Workspace
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason
from tests.fakes import PLACE, TASK, AnsweringModel, AnsweringSandbox

MISSING = Execution(Reason.EXITED, 127, output="python: not found")
CRASHED = Execution(Reason.EXITED, 1, output="Traceback")
FINE = Execution(Reason.EXITED, 0)


def solve(
    tmp_path: Path, snapshot: Snapshot, run: Callable[[str, str | None], Execution]
) -> tuple[Summary, AnsweringModel]:
    """One task on a sandbox that is a function of script and patch."""
    settings = load_settings(generation={"samples": 2}, selection={"turns": 0})
    model = AnsweringModel(answer)

    def prepare(task: Task) -> Workspace:
        return Workspace(task, Snapshot.of_repository(snapshot.git_dir), PLACE)

    with closing(Journal(tmp_path, "run", "source", {})) as journal:
        steps = Steps(journal, ModelSet(model, model), AnsweringSandbox(run), settings.operation)
        session = Session(RunRequest("source", (), (TASK,), settings), settings, journal, steps, prepare)
        ended: list[TaskResult] = asyncio.run(run_tasks([TASK], settings, steps, prepare))
        steps.close()
        return session.summary(ended), model


def test_no_call_is_made_where_no_script_runs(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    summary, model = solve(tmp_path, make_snapshot({"module.py": "x = 1\n"}), lambda script, patch: MISSING)
    (ended,) = summary.ended
    assert ended.state == "environment failed" and not model.requests
    assert "exit code 127 (python: not found)" in ended.reason and "Install python" in ended.reason
    assert exit_of(summary) is Exit.NOTHING_SOLVED


@pytest.mark.parametrize("tells", [False, True])
def test_a_run_whose_scripts_could_never_tell_says_that_nothing_was_tested(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], capsys: pytest.CaptureFixture[str], tells: bool
) -> None:
    def run(script: str, patch: str | None) -> Execution:
        return FINE if script == "pass\n" or (tells and patch) else CRASHED

    summary, _ = solve(tmp_path, make_snapshot({"module.py": "x = 1\n"}), run)
    assert summary.predicted == 1
    assert summary.untested == (() if tells else (TASK.id,))
    assert exit_of(summary) is (Exit.DONE if tells else Exit.UNTESTED)
    warn_of_untested(summary, "")
    assert ("NOTHING WAS TESTED" in capsys.readouterr().err) is not tells

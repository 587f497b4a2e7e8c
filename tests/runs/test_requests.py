"""What a run of `solve` is made of, before anything is spent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys.errors import BadInput, RunExists
from codemonkeys.runs.solve import request_of
from codemonkeys.settings import load_settings
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.sources import load_tasks


def test_tasks_made_in_python_are_kept_and_found_again_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = Task("a__b-1", "a/b", "7ee9ceb7", "It fails.", folder=Path("tasks"))
    settings, runs = load_settings(model="fake"), tmp_path / "runs"
    monkeypatch.chdir(tmp_path)
    first = request_of([task], settings, [], runs, "one")
    assert not runs.exists(), "nothing is written before the run begins"
    first.write_files(runs / "one")
    again = request_of([task], settings, ["a__b-1"], runs, "one")
    assert again.source == first.source == str(runs / "one" / "tasks.json")
    monkeypatch.chdir("/")
    assert load_tasks(first.source) == list(first.tasks) == list(again.tasks)
    assert first.tasks[0].folder == tmp_path / "tasks"
    with pytest.raises(RunExists, match="about other tasks"):
        request_of([replace(task, issue="Something else fails.")], settings, [], runs, "one")
    with pytest.raises(BadInput, match="there is no task to solve"):
        request_of([task], settings, ["a__b-2"], runs, "two")

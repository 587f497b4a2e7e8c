"""What a run of `solve` is made of, before anything is spent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys.api import run_solve
from codemonkeys.errors import BadInput, RunExists, RunInterrupted, SandboxUnavailable
from codemonkeys.journal.store import Journal
from codemonkeys.runs.session import Options, RunRequest, open_journal
from codemonkeys.runs.solve import request_of
from codemonkeys.settings import load_settings
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.sources import load_tasks
from sandboxes.base import Backend, Sandbox, SandboxError


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
    with pytest.raises(BadInput, match="ids: none of the given tasks is 'a__b-2'; there are 1, such as a__b-1"):
        request_of([task], settings, ["a__b-2"], runs, "two")
    with pytest.raises(BadInput, match="there is no task to solve"):
        request_of([], settings, [], runs, "two")


def refuse(run: str, **options: object) -> Sandbox:
    raise SandboxError(f"no room for {run}")


BROKEN = Backend(refuse, lambda: None, "image")
"""A sandbox that can be used until it is opened, which is after the run's journal."""


def test_a_start_that_fails_leaves_no_folder(tmp_path: Path) -> None:
    task = Task("a__b-1", "a/b", "7ee9ceb7", "It fails.", image="none")
    settings = load_settings([f"sandbox.kind={__name__}:BROKEN"], model="fake")
    with pytest.raises(SandboxUnavailable, match="no room for one"):
        run_solve([task], settings, runs=tmp_path / "made" / "runs", name="one")
    assert list(tmp_path.iterdir()) == [], "nor the folders above it, which were made for it"
    (tmp_path / "runs" / "one").mkdir(parents=True)
    (tmp_path / "runs" / "one" / "mine.txt").touch()
    with pytest.raises(SandboxUnavailable):
        run_solve([task], settings, runs=tmp_path / "runs", name="one")
    assert {path.name for path in (tmp_path / "runs").rglob("*")} == {"one", "mine.txt", "tasks.json"}


def test_a_run_that_has_begun_is_kept_whatever_ends_it(tmp_path: Path) -> None:
    """Another session of the same run does not own it, and an aborted one says how to resume."""
    Journal(tmp_path, "one", "source", {}).close()
    request = RunRequest("source", (), (), load_settings(model="fake"))
    with pytest.raises(RunExists):
        Journal(tmp_path, "one", "another", {})
    for error in (RunInterrupted("aborted"), KeyboardInterrupt()):
        with pytest.raises(type(error)), open_journal(request, request.settings, Options(tmp_path, "two")):
            raise error
    with pytest.raises(ValueError), open_journal(request, request.settings, Options(tmp_path, "three")):
        raise ValueError
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


HIGH = {"writer": {"effort": "high", "api_base": "http://127.0.0.1:1/v1"}}


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ({}, {}, None),
        (HIGH, HIGH, None),
        (HIGH, {"writer": {"effort": "high", "call_seconds": 9, "key_variable": "MY_KEY"}}, None),
        ({}, {"judge": {"api_base": "http://127.0.0.1:1/v1"}}, None),
        ({}, HIGH, "models"),
        (HIGH, {}, "models"),
        (HIGH, {"writer": {"effort": "low"}}, r"models \(models.writer.effort was 'high', is now 'low'\)"),
        (HIGH, {"writer": {"effort": "high", "top_p": 0.5}}, "models"),
        (HIGH, {**HIGH, "judge": {"effort": "high"}}, "models"),
    ],
)
def test_parameters_that_shape_answers_stay_as_they_were_and_connections_may_change(
    tmp_path: Path, before: dict[str, object], after: dict[str, object], changed: str | None
) -> None:
    task = Task("a__b-1", "a/b", "7ee9ceb7", "It fails.", image="none")

    def begin(models: dict[str, object]) -> None:
        settings = load_settings(model="fake", models=models)
        request = request_of([task], settings, [], tmp_path, "one")
        with open_journal(request, settings, Options(tmp_path, "one")):
            assert ("models" in request.stored(settings)) == bool(models)

    begin(before)
    if changed is None:
        begin(after)
    else:
        with pytest.raises(RunExists, match=f"was started with a different {changed}"):
            begin(after)

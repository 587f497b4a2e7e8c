"""Tasks that a run keeps in its folder: read as they were written, refused if they are not what was written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.errors import BadInput, BadRecord, UnknownDataset
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.base import Checkout, Task
from codemonkeys.tasks.filtering import TaskFilter, choose
from codemonkeys.tasks.sources import load_tasks, read_records
from codemonkeys.tasks.sources.task_file import TASKS_FILE, read_tasks, write_issue, write_tasks

TASKS = [
    Task("b-2", "a/b", "0123abcd", "It \u202ebreaks\udcff\r\n", "go", "1.2", "mine:1", Path("/tasks/b-2")),
    Task("a-1", "a/b", "0123abcd", "", checkout=Checkout(Path("/mine"), Path("/mine/.venv"), "Dockerfile", "mine:2")),
    Task("c", "", "", "x", checkout=Checkout(Path("/mine"))),
]


def test_tasks_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "run" / TASKS_FILE
    write_tasks(path, TASKS)
    assert read_tasks(path) == load_tasks(path) == load_tasks(str(path)) == TASKS
    assert path.stat().st_mode & 0o777 == 0o600 and list(path.parent.iterdir()) == [path]
    assert load_tasks(path, ["c", "b-2"]) == [TASKS[2], TASKS[0]]
    assert choose(path, TaskFilter(limit=2)) == (str(path), ["b-2", "a-1"])
    with pytest.raises(UnknownDataset, match="tasks.json: no task 'a-11' in it; did you mean a-1"):
        load_tasks(path, ["a-11"])
    write_tasks(path, [])
    assert load_tasks(path) == []


def test_an_issue_is_one_task(tmp_path: Path) -> None:
    for task in TASKS:
        write_issue(tmp_path / "issue.json", task)
        assert load_tasks(tmp_path / "issue.json") == [task]
    assert (tmp_path / "issue.json").stat().st_mode & 0o777 == 0o600


def test_an_issue_that_an_earlier_version_stored_is_read(tmp_path: Path) -> None:
    stored = """{
  "format": "codemonkeys-issue-1",
  "id": "project-0a1b2c3d",
  "repo": "project",
  "base_commit": "0123abcd",
  "issue": "It breaks.\\n",
  "language": "python",
  "version": "",
  "image": null,
  "folder": null,
  "checkout": {
    "repository": "/home/me/project",
    "venv": "/home/me/project/.venv",
    "dockerfile": null,
    "image": null
  }
}
"""
    path = tmp_path / "issue.json"
    path.write_text(stored)
    (task,) = load_tasks(path)
    checkout = Checkout(Path("/home/me/project"), Path("/home/me/project/.venv"))
    assert task == Task("project-0a1b2c3d", "project", "0123abcd", "It breaks.\n", checkout=checkout)
    write_issue(path, task)
    assert path.read_text() == stored


def test_relative_paths_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_tasks(Path("tasks.json"), [Task("a", "r", "0", "x", folder=Path("f"), checkout=Checkout(Path("c")))])
    monkeypatch.chdir("/")
    (task,) = read_tasks(tmp_path / "tasks.json")
    assert task.folder == tmp_path / "f" and task.checkout == Checkout(tmp_path / "c")


def test_there_are_columns_of_tasks_but_no_labels_and_no_splits(tmp_path: Path) -> None:
    path = tmp_path / TASKS_FILE
    write_tasks(path, TASKS)
    (record,) = read_records(path, ["b-2"], ("problem_statement", "image"))
    assert record.columns == {"problem_statement": TASKS[0].issue, "image": "mine:1"}
    with pytest.raises(UnknownDataset, match="no hidden tests to grade by; name a dataset that has them"):
        load_answer_keys(path)
    with pytest.raises(BadInput, match="no splits"):
        choose(path, TaskFilter(split="test"))


@pytest.mark.parametrize("ids", [["a", "a"], ["../a"], [""]])
def test_ids_that_cannot_be_are_refused_and_nothing_is_written(tmp_path: Path, ids: list[str]) -> None:
    path = tmp_path / TASKS_FILE
    write_tasks(path, TASKS)
    with pytest.raises(BadRecord, match="the same id|cannot be an instance_id"):
        write_tasks(path, [Task(id, "r", "0", "x") for id in ids])
    assert read_tasks(path) == TASKS


GOOD = {"id": "a", "repo": "r", "base_commit": "0", "issue": "x", "checkout": None}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "JSONDecodeError"),
        ([], "TypeError"),
        ({"tasks": []}, "KeyError: 'format'"),
        ({"format": "codemonkeys-tasks-2", "tasks": []}, "its format is 'codemonkeys-tasks-2'"),
        ({"format": "codemonkeys-tasks-1"}, "KeyError: 'tasks'"),
        ({"format": "codemonkeys-tasks-1", "tasks": [5]}, "TypeError"),
        ({"format": "codemonkeys-tasks-1", "tasks": [GOOD | {"issue": 5}]}, "issue, language and version must be text"),
        ({"format": "codemonkeys-tasks-1", "tasks": [GOOD | {"more": 5}]}, "unexpected keyword argument 'more'"),
        ({"format": "codemonkeys-tasks-1", "tasks": [GOOD | {"folder": 5}]}, "TypeError"),
        ({"format": "codemonkeys-issue-1", **GOOD, "checkout": {"folder": "x"}}, "TypeError"),
    ],
)
def test_what_is_not_a_task_file_is_refused(tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / TASKS_FILE
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(BadRecord, match=f"tasks.json: not a task file as codemonkeys writes it .*{said}"):
        read_tasks(path)


def test_a_stored_id_is_checked(tmp_path: Path) -> None:
    path = tmp_path / TASKS_FILE
    path.write_text(json.dumps({"format": "codemonkeys-tasks-1", "tasks": [GOOD | {"id": "../a"}]}))
    with pytest.raises(BadRecord, match="cannot be an instance_id"):
        read_tasks(path)

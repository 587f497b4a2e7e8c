"""Tasks that a run keeps in its folder, so that it can be resumed: an issue of one's own, or tasks made in Python."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadInput, BadRecord, UnknownDataset
from codemonkeys.system.files import write_whole
from codemonkeys.tasks.base import TESTBED, Checkout, Task
from codemonkeys.tasks.records import Record, check_id, named_format, select_ids
from codemonkeys.tasks.sources.base import TASK_COLUMNS, absolute_path
from codemonkeys.wording import option

ISSUE_FILE, ISSUE_FORMAT = "issue.json", "codemonkeys-issue-1"
"""One task: what `fix` was given."""
TASKS_FILE, TASKS_FORMAT = "tasks.json", "codemonkeys-tasks-1"
"""A list of tasks."""


class TaskFile:
    """Tasks stored whole, without labels."""

    name = "task_file"
    accepts = f"a file of stored tasks ({ISSUE_FILE} or {TASKS_FILE} of a run's folder)"

    def claims(self, source: str) -> bool:
        """A file that names one of the two formats."""
        return named_format(Path(source).expanduser()) in (ISSUE_FORMAT, TASKS_FORMAT)

    def pin(self, source: str, split: str | None, cached: bool) -> str:
        """The absolute path."""
        return absolute_path(source)

    def records(
        self, source: str, ids: Sequence[str] | None, columns: Collection[str], split: str | None
    ) -> list[Record]:
        """Records with columns of tasks. Raises UnknownDataset for labels: there are none."""
        if split is not None:
            raise BadInput(f"{source}: stored tasks have no splits; leave out {option('split')}")
        if not set(columns) <= set(TASK_COLUMNS):
            raise UnknownDataset(
                f"{source}: stored tasks have no hidden tests to grade by; name a dataset that has them"
            )
        return [Record(task.id, source, _columns(task, columns), task.folder) for task in self.tasks(source, ids)]

    def tasks(self, source: str, ids: Sequence[str] | None) -> list[Task]:
        """The tasks as they were stored."""
        tasks = {task.id: task for task in read_tasks(Path(source).expanduser())}
        return [tasks[id] for id in select_ids(ids, tasks, source)]


SOURCE = TaskFile()


def write_tasks(path: Path, tasks: Sequence[Task]) -> None:
    """Store tasks in a file, mode 0600, whole or not at all; paths become absolute.

    Raises BadRecord for an id that is not safe as a file name or is there twice.
    """
    if len({check_id(task.id, "a Task") for task in tasks}) < len(tasks):
        raise BadRecord(f"{path}: two tasks have the same id; ids must be unique within a run")
    _write(path, {"format": TASKS_FORMAT, "tasks": [_stored(task) for task in tasks]})


def write_issue(path: Path, task: Task) -> None:
    """Store the task of an issue of one's own in a file, mode 0600, whole or not at all."""
    _write(path, {"format": ISSUE_FORMAT, **_stored(task)})


def as_stored(task: Task) -> Task:
    """The task as `read_tasks` will return it, with absolute paths. Raises BadRecord for an id that is not safe."""
    return _task(json.loads(json.dumps(_stored(task), default=_absolute)), "a Task")


def read_tasks(path: Path) -> list[Task]:
    """The tasks that `write_tasks` or `write_issue` stored. Raises BadRecord."""
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        format = content.pop("format")
        if format not in (ISSUE_FORMAT, TASKS_FORMAT):
            raise ValueError(f"its format is {str(format)[:80]!r}")
        return [_task(stored, str(path)) for stored in ([content] if format == ISSUE_FORMAT else content["tasks"])]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BadRecord(
            f"{path}: not a task file as codemonkeys writes it ({type(error).__name__}: {error}); "
            "put back the original, or begin another run"
        ) from None


def _stored(task: Task) -> dict[str, Any]:
    # Earlier versions read, and wrote, only tasks whose repository lies where, and is on what, it is by default.
    usual = {"workdir": TESTBED, "branch": None, "hidden": "", "scope": ""}
    stored = {name: value for name, value in asdict(task).items() if name not in usual or value != usual[name]}
    if task.checkout is not None and not task.checkout.installed:
        del stored["checkout"]["installed"]
    return stored


def _write(path: Path, content: dict[str, Any]) -> None:
    write_whole(path, json.dumps(content, indent=2, default=_absolute) + "\n", mode=0o600)


def _absolute(value: object) -> str:
    if not isinstance(value, Path):
        raise TypeError(f"a task cannot hold {type(value).__name__}")
    return str(value.absolute())


def _task(stored: dict[str, Any], where: str) -> Task:
    checkout = stored["checkout"]
    if checkout is not None:
        installed = tuple(Path(folder) for folder in checkout.get("installed", ()))
        checkout = Checkout(**{**_with_paths(checkout, "repository", "venv"), "installed": installed})
    task = Task(**{**_with_paths(stored, "folder"), "checkout": checkout})
    check_id(task.id, where)
    if not all(isinstance(t, str) for t in (task.repo, task.base_commit, task.issue, task.language, task.version)):
        raise TypeError("repo, base_commit, issue, language and version must be text")
    if not isinstance(task.image, str | None) or (checkout is not None and not isinstance(checkout.repository, Path)):
        raise TypeError("image must be text, and repository the path of a folder")
    if not all(isinstance(value, str | None) for value in (task.workdir, task.branch, task.hidden, task.scope)):
        raise TypeError("workdir, branch, hidden and scope must be text")
    return task


def _with_paths(stored: dict[str, Any], *names: str) -> dict[str, Any]:
    return {**stored, **{name: Path(stored[name]) for name in names if stored.get(name) is not None}}


def _columns(task: Task, columns: Collection[str]) -> dict[str, Any]:
    row = {
        "repo": task.repo,
        "base_commit": task.base_commit,
        "problem_statement": task.issue,
        "version": task.version,
        "language": task.language,
        "image": task.image,
        "workdir": task.workdir,
        "branch": task.branch,
        "hidden": task.hidden,
    }
    return {name: row[name] for name in columns if name in row}

"""A SWE-bench 5 task repository: a folder for each task, in which each kind of label is a file of its own."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadRecord
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.records import Record, check_id, parse_json, select_ids
from codemonkeys.tasks.sources.base import TASK_COLUMNS, absolute_path, task_of

COLUMN_FILES = {
    "problem_statement": "problem_statement.md",
    "hints_text": "hints.md",
    "patch": "gold.patch",
    "test_patch": "test.patch",
    "eval_script": "eval.sh",
}
"""Columns that are files of their own; `TESTS_FILE` has those of `TESTS_COLUMNS`, task.yaml all others."""
TESTS_FILE = "tests.json"
TESTS_COLUMNS = frozenset({"FAIL_TO_PASS", "PASS_TO_PASS"})


class TaskRepository:
    """Tasks in folders."""

    name = "task_repository"
    accepts = "the folder of a SWE-bench task repository (sweb.yaml beside tasks/)"

    def claims(self, source: str) -> bool:
        """A folder with `tasks/`."""
        return is_task_repository(Path(source).expanduser())

    def pin(self, source: str, split: str | None, cached: bool) -> str:
        """The absolute path."""
        return absolute_path(source)

    def records(
        self, source: str, ids: Sequence[str] | None, columns: Collection[str], split: str | None
    ) -> list[Record]:
        """Records of the folders; no file is opened for a column that is not asked for."""
        return list(_records(Path(source).expanduser(), ids, columns, split))

    def tasks(self, source: str, ids: Sequence[str] | None) -> list[Task]:
        """Tasks of the folders; each knows its own."""
        return [task_of(record) for record in self.records(source, ids, TASK_COLUMNS, None)]


SOURCE = TaskRepository()


def is_task_repository(folder: Path) -> bool:
    """Whether a folder is laid out as one."""
    return (folder / "tasks").is_dir()


def _records(
    repository: Path, ids: Sequence[str] | None, columns: Collection[str], split: str | None
) -> Iterator[Record]:
    published = _splits(repository / "sweb.yaml") if ids is None else None
    if split is not None:
        published = [split]
    folders = {path.parent.name: path.parent for path in sorted((repository / "tasks").glob("*/task.yaml"))}
    for id in select_ids(ids, folders, str(repository)):
        folder = folders[id]
        row = _yaml(folder / "task.yaml")
        if check_id(row.get("instance_id"), str(folder / "task.yaml")) != id:
            raise BadRecord(
                f"{folder / 'task.yaml'}: instance_id is {row['instance_id']}, its folder {id}; make them equal"
            )
        if published is None or row.get("split", "test") in published:
            yield Record(id, str(folder), _columns(folder, row, columns), folder)


def _columns(folder: Path, row: dict[str, Any], columns: Collection[str]) -> dict[str, Any]:
    found = {name: row[name] for name in columns if name in row}
    for name in COLUMN_FILES.keys() & columns:
        file = folder / COLUMN_FILES[name]
        if file.is_file():
            found[name] = _text(file)
    tests_file, wanted = folder / TESTS_FILE, TESTS_COLUMNS & set(columns)
    if wanted and tests_file.is_file():
        tests = parse_json(_text(tests_file), str(tests_file))
        if not isinstance(tests, dict):
            raise BadRecord(f"{tests_file}: holds {type(tests).__name__}; expected an object")
        found.update({name: tests[name] for name in wanted if name in tests})
    return found


def _text(path: Path) -> str:
    try:
        # Decoded without translating newlines: a patch may contain CRLF.
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRecord(f"{path}: not UTF-8 (byte {error.start}); convert the file") from None
    except OSError as error:
        raise BadRecord(f"{path}: cannot be read: {error.strerror}") from None


def _splits(path: Path) -> list[Any]:
    splits = _yaml(path).get("splits", ["test"])
    if not isinstance(splits, list):
        raise BadRecord(f"{path}: splits is {type(splits).__name__}; expected a list")
    return splits


def _yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        # The parser in C, where there is one: a repository holds hundreds of tasks.
        content = yaml.load(_text(path), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:  # ValueError: no such date
        raise BadRecord(f"{path}: not YAML: {error}") from None
    if not isinstance(content, dict):
        raise BadRecord(f"{path}: holds {type(content).__name__}; expected a mapping")
    return content

"""Harbor's tasks: a folder with task.toml and instruction.md, or a folder of such folders.

`solution/` is never opened, and `tests/` only for who asks for the column of tests: they hold the answers.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadInput, BadRecord, UnknownDataset
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.formats import About
from codemonkeys.tasks.formats.base import OF_IMAGE
from codemonkeys.tasks.records import Record, check_id, select_ids
from codemonkeys.tasks.sources.base import TASK_COLUMNS, absolute_path, task_of
from codemonkeys.tasks.sources.row_file import row_files
from codemonkeys.wording import option

TASK_FILE, INSTRUCTION = "task.toml", "instruction.md"
TEST = "tests/test.sh"
PARSER, REWARD = "harbor", "reward"
"""In place of the names of a parser and of a test."""
LARGEST = 1 << 20
"""Maximum bytes of a file that is read."""
ABOUT = About(
    "Harbor",
    note="scripts run without network, whatever the task's network_mode is",
)
_LANGUAGE_OF_BASE = {
    "python": "python",
    "node": "javascript",
    "golang": "go",
    "rust": "rust",
    "openjdk": "java",
    "eclipse-temurin": "java",
    "maven": "java",
    "gradle": "java",
    "gcc": "c",
    "ruby": "ruby",
    "php": "php",
}
"""Languages of the official base images that a Dockerfile may begin with."""


class Harbor:
    """Tasks in folders, as the program `harbor` runs them."""

    name = "task_folders"
    accepts = "the folder of a Harbor task (task.toml beside instruction.md), or a folder of such folders"

    def claims(self, source: str) -> bool:
        """A task's folder, or one that holds at least one, and no rows."""
        folder = Path(source).expanduser()
        return bool(source.strip()) and is_harbor(folder) and (_is_task(folder) or not row_files(folder))

    def pin(self, source: str, split: str | None, cached: bool) -> str:
        """The absolute path."""
        return absolute_path(source)

    def records(
        self, source: str, ids: Sequence[str] | None, columns: Collection[str], split: str | None
    ) -> list[Record]:
        """Records with columns of tasks, and with what `evaluate` asks for: the tests are not opened otherwise."""
        if split is not None:
            raise BadInput(f"{source}: Harbor's tasks have no splits; leave out {option('split')}")
        folders = task_folders(Path(source).expanduser())
        if not folders:
            raise UnknownDataset(f"{source}: no Harbor task in it; give a folder with {TASK_FILE} and {INSTRUCTION}")
        return [_record(folders[id], columns) for id in select_ids(ids, folders, source)]

    def tasks(self, source: str, ids: Sequence[str] | None) -> list[Task]:
        """Tasks of the folders; an image that none names is built from the task's own Dockerfile."""
        return [_task(record) for record in self.records(source, ids, TASK_COLUMNS, None)]


SOURCE = Harbor()


def _task(record: Record) -> Task:
    task = task_of(record)
    if record.folder is None:
        return task
    return replace(task, image=None, workdir=task.workdir if record.columns.get("workdir") else None)


def is_harbor(folder: Path) -> bool:
    """Whether a folder is a task of Harbor, or holds some."""
    return bool(task_folders(folder))


def task_folders(folder: Path) -> dict[str, Path]:
    """Folders of tasks by their names."""
    try:
        found = [folder] if _is_task(folder) else sorted(inner for inner in folder.iterdir() if _is_task(inner))
    except (OSError, ValueError):  # a name with a null character is none of a folder
        return {}
    return {path.resolve().name: path.resolve() for path in found}


def _is_task(folder: Path) -> bool:
    return (folder / TASK_FILE).is_file() and (folder / INSTRUCTION).is_file()


def _record(folder: Path, columns: Collection[str]) -> Record:
    where = str(folder / TASK_FILE)
    try:
        id, problem = check_id(folder.name, where), ""
    except BadRecord as error:
        id, problem = folder.name[:200], str(error)
    if not columns or problem:
        return Record(id, where, {}, about=ABOUT, problem=problem)
    told = settings_of(folder)
    environment = told.get("environment", {})
    recipe = folder / "environment"
    image = environment.get("docker_image")
    if not image and not (recipe / "Dockerfile").is_file():
        several = " It is made of several containers, which no sandbox here runs." if _is_composed(recipe) else ""
        raise BadRecord(f"{where}: {id} names no docker_image and has no environment/Dockerfile.{several}")
    row = {
        "repo": str(told.get("task", {}).get("name") or id),
        "base_commit": OF_IMAGE,
        "problem_statement": _text(folder / INSTRUCTION),
        "language": told.get("metadata", {}).get("language") or _language(recipe / "Dockerfile"),
        "platform": environment.get("os"),
        "workdir": environment.get("workdir") or environment.get("cwd"),
        "image": image or None,
        # Of the answer key: the tests say all, and no reference patch is known.
        "log_parser": PARSER,
        "patch": "",
        "FAIL_TO_PASS": [REWARD],
    }
    if "eval_script" in columns:
        row["eval_script"] = _text(folder / TEST)
    there = {name: row[name] for name in columns if row.get(name) is not None}
    return Record(id, where, there, folder=None if image else recipe, about=ABOUT)


def settings_of(folder: Path) -> dict[str, Any]:
    """What a task's file says. Raises BadRecord."""
    path = folder / TASK_FILE
    try:
        told = tomllib.loads(_text(path))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise BadRecord(f"{path}: not TOML: {error}") from None
    for section in ("task", "environment", "metadata"):
        if not isinstance(told.get(section, {}), dict):
            raise BadRecord(f"{path}: {section} is not a table")
    return told


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise BadRecord(f"{path}: longer than {LARGEST >> 20} MiB")
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRecord(f"{path}: not UTF-8 (byte {error.start}); convert the file") from None
    except OSError as error:
        raise BadRecord(f"{path}: cannot be read: {error.strerror}") from None


def _is_composed(recipe: Path) -> bool:
    return any((recipe / f"docker-compose.{suffix}").is_file() for suffix in ("yaml", "yml"))


def _language(dockerfile: Path) -> str:
    """The language of the base image that a Dockerfile names; `other` if it says nothing."""
    if not dockerfile.is_file():
        return "other"
    bases = re.findall(r"^FROM\s+(?:--\S+\s+)*(\S+)", _text(dockerfile), re.M | re.I)
    names = [base.rpartition("/")[2].partition(":")[0].partition("@")[0] for base in bases]
    return next((_LANGUAGE_OF_BASE[name] for name in reversed(names) if name in _LANGUAGE_OF_BASE), "other")

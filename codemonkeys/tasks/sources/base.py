"""The contract of a task source, and how a record with SWE-bench's columns becomes a task."""

from __future__ import annotations

import platform
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from codemonkeys.errors import BadRecord
from codemonkeys.system.text import valid_text
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.records import Record

IMAGE_COLUMNS = ("image", "image_name", "docker_image")
TASK_COLUMNS = ("repo", "base_commit", "problem_statement", "version", "language", *IMAGE_COLUMNS)
"""Columns that a task is made of; no label is among them."""
COMMIT = re.compile(r"[0-9a-f]{7,64}")


@runtime_checkable
class Source(Protocol):
    """One format that tasks are read from."""

    name: str
    """Names the source in `NAME:REST`."""
    accepts: str
    """What it reads, as one phrase of the list of everything accepted."""

    def claims(self, source: str) -> bool:
        """Whether this string, given without a name, is for this source. Looks at local files only."""
        ...

    def pin(self, source: str, split: str | None, cached: bool) -> str:
        """A string that means the same tasks from any folder and at any later time; where possible, with the split.

        `cached`: do not use the network if a local cache has the dataset. Raises UnknownDataset.
        """
        ...

    def records(
        self, source: str, ids: Sequence[str] | None, columns: Collection[str], split: str | None
    ) -> Sequence[Record]:
        """Records in the order of `ids`, or all that are published, or all of one split, with these columns at most.

        Labels such as `patch` are columns too: only `evaluate` asks for them, and nothing else may be given them.
        Raises UnknownDataset for a source or an id that does not exist, BadRecord for a malformed record, BadInput if
        there are no splits.
        """
        ...

    def tasks(self, source: str, ids: Sequence[str] | None) -> Sequence[Task]:
        """Tasks in the order of `ids`, or all that are published. Raises as `records`."""
        ...


def task_of(record: Record) -> Task:
    """The task of a record that was read with TASK_COLUMNS. Raises BadRecord."""
    commit = record.text("base_commit")
    if not COMMIT.fullmatch(commit):
        raise BadRecord(f"{record.where}: base_commit of {record.id} is {commit[:80]!r}, not a commit hash")
    return Task(
        id=record.id,
        repo=valid_text(record.text("repo")),
        base_commit=commit,
        issue=valid_text(record.text("problem_statement")),
        language=valid_text(record.text("language", default="python")),
        version=valid_text(record.text("version", default="")),
        image=image_of(record),
        folder=record.folder,
    )


def image_of(record: Record) -> str:
    """The container image that a record names, or else the one that SWE-bench's naming rule gives it."""
    for column in IMAGE_COLUMNS:
        if image := record.text(column, default=""):
            return valid_text(image)
    machine = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    return f"swebench/sweb.eval.{machine}.{record.id.replace('__', '_1776_')}:latest".lower()


def absolute_path(source: str) -> str:
    """A file or folder as it can be named from any folder: what `pin` returns for files."""
    return str(Path(source).expanduser().resolve())

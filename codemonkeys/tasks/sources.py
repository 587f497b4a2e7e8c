"""Where tasks come from: SWE-bench data sets and files, task repositories, own issues. No label passes through here."""

from __future__ import annotations

import platform
import re
from collections.abc import Sequence
from pathlib import Path

from codemonkeys.errors import BadRecord
from codemonkeys.tasks import own_issue
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.records import Record, read_records

IMAGE_COLUMNS = ("image", "image_name", "docker_image")
COLUMNS = ("repo", "base_commit", "problem_statement", "version", "language", *IMAGE_COLUMNS)
COMMIT = re.compile(r"[0-9a-f]{7,64}")


def load_tasks(source: str, ids: Sequence[str] | None = None) -> list[Task]:
    """Tasks of a source (see `records.ACCEPTED`, and `own_issue`), in the order of `ids`, or all that it publishes.

    Raises UnknownDataset for a source or an id that does not exist, BadRecord for a malformed record.
    """
    if own_issue.is_own_issue(source):
        return [own_issue.read(Path(source))]
    return [_task(record) for record in read_records(source, ids, COLUMNS)]


def image_of(record: Record) -> str:
    """The container image a record names, or the one SWE-bench's naming rule gives it."""
    for column in IMAGE_COLUMNS:
        if image := record.text(column, default=""):
            return image
    machine = "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64"
    return f"swebench/sweb.eval.{machine}.{record.id.replace('__', '_1776_')}:latest".lower()


def _task(record: Record) -> Task:
    commit = record.text("base_commit")
    if not COMMIT.fullmatch(commit):
        raise BadRecord(f"{record.where}: base_commit of {record.id} is {commit[:80]!r}, not a commit hash")
    return Task(
        id=record.id,
        repo=record.text("repo"),
        base_commit=commit,
        issue=record.text("problem_statement"),
        language=record.text("language", default="python"),
        version=record.text("version", default=""),
        image=image_of(record),
        folder=record.folder,
    )

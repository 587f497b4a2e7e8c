"""The contract of a task source, and how a record with SWE-bench's columns becomes a task."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from codemonkeys.errors import BadRecord
from codemonkeys.system.text import valid_text
from codemonkeys.tasks.base import TESTBED, Task
from codemonkeys.tasks.formats.swe_bench import implied_image
from codemonkeys.tasks.formats.values import language_name
from codemonkeys.tasks.records import ID, Record
from codemonkeys.wording import option

IMAGE_COLUMNS = ("image", "image_name", "docker_image")
TASK_COLUMNS = (
    *("repo", "base_commit", "problem_statement", "version", "language", "platform", "workdir", "branch", "hidden"),
    *IMAGE_COLUMNS,
)
"""Columns that a task is made of; no label is among them."""
COMMIT = re.compile(r"[0-9a-f]{7,64}|HEAD")
WORKDIR = re.compile(r"(?:/(?!\.\.?(?:/|$))[\w.@+-]+)+")


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
    if record.problem:
        raise BadRecord(record.problem)
    commit = record.text("base_commit")
    if not COMMIT.fullmatch(commit):
        raise BadRecord(f"{record.where}: base_commit of {record.id} is {commit[:80]!r}, not a commit hash")
    issue = valid_text(record.text("problem_statement"))
    if not issue.strip():
        raise BadRecord(f"{record.where}: the issue of {record.id} is empty; leave the task out, or give it a text")
    if (system := record.text("platform", default="linux").lower()) != "linux":
        raise BadRecord(
            f"{record.where}: the code of {record.id} runs on {system[:80]!r}; tasks run in Linux containers: leave it "
            f"out, as with {option('filter')}"
        )
    return Task(
        id=record.id,
        repo=valid_text(record.text("repo")),
        base_commit=commit,
        issue=issue,
        language=valid_text(str(language_name(record.text("language", default="python")))),
        version=valid_text(record.text("version", default="")),
        image=image_of(record),
        folder=record.folder,
        workdir=workdir_of(record),
        branch=_branch_of(record),
        hidden=_hidden_of(record),
    )


def image_of(record: Record) -> str:
    """The container image that a record names, or else the one that its data set's naming rule gives it."""
    return _named_image(record) or implied_image(record.id)


def workdir_of(record: Record) -> str | None:
    """Where the repository lies in the image: where the record says; else where SWE-bench's images have it.

    None, which is the image's own WORKDIR, if the record names an image and says nothing else. Raises BadRecord.
    """
    given = record.text("workdir", default="")
    if not given:
        return None if _named_image(record) and record.folder is None else TESTBED
    if not WORKDIR.fullmatch(given):
        raise BadRecord(f"{record.where}: workdir of {record.id} is {given[:80]!r}, not an absolute path of a folder")
    return given


def _branch_of(record: Record) -> str | None:
    branch = record.text("branch", default="")
    if branch and not ID.fullmatch(branch):
        raise BadRecord(f"{record.where}: branch of {record.id} is {branch[:80]!r}, not the name of a branch")
    return branch or None


def _hidden_of(record: Record) -> str:
    paths = record.text("hidden", default="").split()
    if not all(WORKDIR.fullmatch(path) for path in paths):
        raise BadRecord(f"{record.where}: column 'hidden' of {record.id} is not a list of absolute paths")
    return " ".join(paths)


def _named_image(record: Record) -> str:
    return next((valid_text(image) for name in IMAGE_COLUMNS if (image := record.text(name, default=""))), "")


def absolute_path(source: str) -> str:
    """A file or folder as it can be named from any folder: what `pin` returns for files."""
    return str(Path(source).expanduser().resolve())

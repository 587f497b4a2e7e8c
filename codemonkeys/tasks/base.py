"""What a task is, and the answer key that is kept apart from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codemonkeys.tasks.snapshot import Snapshot
    from sandboxes.base import Environment


@dataclass(frozen=True)
class Task:
    """One issue on one codebase; nothing of its solution. SWE-bench calls it an instance."""

    id: str
    repo: str
    """Name of the repository, such as `pallets/flask`."""
    base_commit: str
    issue: str
    """The issue as its reporter wrote it: untrusted text."""
    language: str = "python"
    version: str = ""
    image: str | None = None
    """Container image with the repository at /testbed, if the dataset names or implies one."""
    folder: Path | None = None
    """Folder of a task repository that holds what builds the environment, if the task came from one."""


@dataclass(frozen=True)
class Workspace:
    """A task made ready: its codebase to read and the place to run it."""

    task: Task
    snapshot: Snapshot
    environment: Environment

"""What a task is, and the answer key that is kept apart from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codemonkeys.tasks.snapshot import Snapshot
    from sandboxes.base import Environment


@dataclass(frozen=True)
class Checkout:
    """A git repository on this machine that a task is about, and in what its code runs.

    That is an image built from its Dockerfile, the task's image, a virtual environment, or without any of these this
    machine's own programs.
    """

    repository: Path
    venv: Path | None = None
    dockerfile: str | None = None
    """Path in the repository."""
    image: str | None = None

    @property
    def runs_locally(self) -> bool:
        """Whether it needs no container image."""
        return self.dockerfile is None and self.image is None


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
    checkout: Checkout | None = None
    """The user's own repository, if the issue is about that."""


@dataclass(frozen=True)
class Workspace:
    """A task made ready: its codebase to read and the place to run it."""

    task: Task
    snapshot: Snapshot
    environment: Environment

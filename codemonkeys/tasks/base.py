"""What a task is, and the answer key that is kept apart from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codemonkeys.tasks.snapshot import Snapshot
    from sandboxes.base import Environment


TESTBED = "/testbed"
"""Where SWE-bench's images have the repository."""


@dataclass(frozen=True)
class Checkout:
    """A git repository on this machine that a task is about, and where its code runs.

    That is an image built from its Dockerfile, an image given by name, a virtual environment, or by default the
    programs of this machine.
    """

    repository: Path
    venv: Path | None = None
    dockerfile: str | None = None
    """Path within the repository."""
    image: str | None = None
    """Name of a container image."""
    installed: tuple[Path, ...] = ()
    """Folders of environments that `codemonkeys env` made, named by their kind."""

    @property
    def runs_locally(self) -> bool:
        """Whether it needs no container image."""
        return self.dockerfile is None and self.image is None


@dataclass(frozen=True)
class Task:
    """One issue of one codebase, without anything about its solution. SWE-bench calls it an instance."""

    id: str
    repo: str
    """Name of the repository, such as `pallets/flask`."""
    base_commit: str
    """Hash of the commit; `HEAD` for what the image has checked out."""
    issue: str
    """Text of the issue as its reporter wrote it; untrusted."""
    language: str = "python"
    version: str = ""
    image: str | None = None
    """Container image with the repository, if the dataset names or implies one."""
    folder: Path | None = None
    """Folder of the task in a task repository, with the files that its environment is built from."""
    checkout: Checkout | None = None
    """The user's own repository, if the issue is one of it."""
    workdir: str | None = TESTBED
    """Absolute path of the repository in the image; None: the image's own WORKDIR."""
    branch: str | None = None
    """Branch of the image's repository that the task is on; None: what is checked out."""
    hidden: str = ""
    """Paths of the image, separated by spaces, that hold answers: no script of a run sees them."""
    scope: str = ""
    """Folder of the repository that the issue is about, relative to the root; empty for all of it."""

    def in_scope(self, path: str) -> bool:
        """Whether a path of the repository lies in the task's scope."""
        return not self.scope or path.startswith(f"{self.scope}/")


@dataclass(frozen=True)
class Workspace:
    """A prepared task: its codebase to read, and the environment to run it in."""

    task: Task
    snapshot: Snapshot
    environment: Environment

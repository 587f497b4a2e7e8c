"""The codebase of a task, if it is on this machine already: nothing is fetched, built or pulled."""

from __future__ import annotations

import hashlib
import shutil
import tarfile
from pathlib import Path

from codemonkeys.errors import CodeMonkeysError
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.build_once import make_once
from codemonkeys.tasks.environments import prepare
from codemonkeys.tasks.one_commit import commit_tree
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import SandboxError

ARCHIVE = "repo.tar.gz"


def local_snapshot(task: Task, home: Path) -> Snapshot | None:
    """The codebase from the user's repository, the task's archive or a local container image; else None.

    What is unpacked from archive or image is kept in `home`, where a later run finds it. Raises EnvironmentFailed.
    """
    if task.checkout is not None:
        return Snapshot.of_repository(task.checkout.repository, task.base_commit)
    if task.folder is not None and (task.folder / ARCHIVE).is_file():
        return _of_archive(task.folder / ARCHIVE, home)
    if task.image is None or not _engine_has(task.image):
        return None
    try:
        return prepare(task, home, "image").snapshot
    except CodeMonkeysError:
        return None


def _of_archive(archive: Path, home: Path) -> Snapshot | None:
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    folder = home / "snapshots" / f"archive-{digest[:32]}"

    def unpack(making: Path) -> None:
        with tarfile.open(archive) as packed:
            packed.extractall(making / "tree", filter="data")
        commit_tree(making / "tree", making / "git")
        shutil.rmtree(making / "tree")

    try:
        make_once(folder, unpack)
    except (tarfile.TarError, OSError):
        return None
    return Snapshot.of_repository(folder / "git", "HEAD")


def _engine_has(image: str) -> bool:
    from docker.errors import DockerException

    from sandboxes.engine import open_engine

    try:
        engine = open_engine(timeout=20)
    except SandboxError:
        return False
    try:
        engine.images.get(image)
        return True
    except (DockerException, OSError):
        return False
    finally:
        engine.close()

"""Copies of the root file systems of container images, so that the local sandbox can run tasks that are images only."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.system import programs
from codemonkeys.system.files import write_whole
from codemonkeys.tasks import images
from codemonkeys.tasks.base import TESTBED, Task
from sandboxes.base import Environment
from sandboxes.rootfs import export_image

WHOLE = "whole-roots"
"""Folder in a home folder of the copies that have their history, which only grading uses."""
COPY_BYTES = 4 << 30
"""Estimated size of the copy of an image that has not been pulled; those of SWE-bench take 2 to 6 GB."""


def prepare_environment(task: Task, home: Path) -> Environment:
    """The task's environment on a copy of its image's root file system, made by the first call.

    Without a container engine, an earlier copy of the image of that name is used.
    Raises EnvironmentFailed, SandboxError.
    """
    try:
        image, repository = images.image_and_repository(task, home)
    except EnvironmentFailed:
        image, repository = find_copy(task, home) or "", _copied_repository(task, home)
        if not image:
            raise
    environment = export_image(image, home / "roots", repository, is_given_up=programs.killed)
    _note(task, home / "roots", image, repository)
    return environment


def prepare_whole(task: Task, home: Path) -> Environment:
    """The environment of a task's hidden tests, with all that the image has; raises as `prepare_environment`."""
    image, repository = images.image_and_repository(task, home)
    environment = export_image(image, home / WHOLE, repository, scrubbed=False, is_given_up=programs.killed)
    _note(task, home / WHOLE, image, repository)
    return environment


def _note(task: Task, place: Path, image: str, repository: str) -> None:
    about = {"task": task.id, "name": task.image, "image": image, "repository": repository}
    write_whole(_pointer(task, place), json.dumps(about))


def find_copy(task: Task, home: Path) -> str | None:
    """Id of the task's image if a copy of its root file system exists."""
    try:
        image = str(json.loads(_pointer(task, home / "roots").read_bytes())["image"])
    except (OSError, ValueError, KeyError):
        return None
    return image if _copies(image, home / "roots") else None


def _copied_repository(task: Task, home: Path) -> str:
    """Where the repository lies in the copy that `find_copy` found."""
    try:
        return str(json.loads(_pointer(task, home / "roots").read_bytes())["repository"])
    except (OSError, ValueError, KeyError):  # a copy that an earlier version made
        return TESTBED


def why_not_copyable(tasks: Sequence[Task], home: Path) -> str | None:
    """Why the images of these tasks cannot be copied; None if no obstacle is known in advance."""
    if not tasks:
        return None
    try:
        with images.engine() as client:
            found = [images.find(client, task) for task in tasks]
            sizes = [client.images.get(image).attrs["Size"] if image else COPY_BYTES for image in found]
    except EnvironmentFailed as error:
        return f"{tasks[0].id} exists only as a container image, which an engine has to copy first. {error}"
    place = next(folder for folder in (home, *home.parents) if folder.is_dir())
    free, needed = shutil.disk_usage(place).free, sum(sizes)
    if free < needed:
        return (
            f"{len(tasks)} tasks such as {tasks[0].id} exist only as container images, copies of which can take "
            f"{needed >> 30} GiB; {place} has {free >> 30} GiB free"
        )
    return None


def copy_repository(environment: Environment, destination: Path) -> None:
    """Copy the repository of an environment that has a root to a new folder, without its `.git`."""
    assert environment.root is not None
    source = environment.root / environment.repository.lstrip("/")
    shutil.copytree(source, destination, symlinks=True, ignore=shutil.ignore_patterns(".git"))


def copies(home: Path, tasks: set[str] | None = None) -> dict[Path, tuple[str, int]]:
    """Copies of the images of these tasks, or of all: folder to task and size in bytes."""
    found: dict[Path, tuple[str, int]] = {}
    for pointer in sorted(pointer for name in ("roots", WHOLE) for pointer in (home / name / ".named").glob("*")):
        entry, place = json.loads(pointer.read_bytes()), pointer.parent.parent
        if tasks is None or entry["task"] in tasks:
            found |= {folder: (entry["task"], disk_usage(folder)) for folder in _copies(entry["image"], place)}
    return found


def disk_usage(folder: Path) -> int:
    """Bytes that a folder occupies on disk."""
    total = 0
    for place, _, names in os.walk(folder):
        total += sum(os.lstat(os.path.join(place, name)).st_blocks * 512 for name in names)
    return total


def _copies(image: str, place: Path) -> list[Path]:
    return [path.parent for path in place.glob(f"{image.removeprefix('sha256:')}*/root")]


def _pointer(task: Task, place: Path) -> Path:
    name = hashlib.sha256(f"{task.id} {task.image}{task.hidden and f' {task.hidden}'}".encode()).hexdigest()[:24]
    return place / ".named" / name

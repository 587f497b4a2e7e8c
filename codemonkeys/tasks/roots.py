"""Root file systems of container images, copied once, on which the local sandbox runs what comes as an image only."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.system.files import write_whole
from codemonkeys.tasks import images
from codemonkeys.tasks.base import Task
from sandboxes.base import Environment
from sandboxes.rootfs import export_image

COPY_BYTES = 4 << 30
"""Room that the copy of an image is taken to need before it is pulled; those of SWE-bench take 2 to 6 GB."""


def environment_of(task: Task, home: Path) -> Environment:
    """The task's environment on a copy of its image's root file system; copied at the first call.

    Without an engine, an earlier copy of the image of that name serves. Raises EnvironmentFailed, SandboxError.
    """
    try:
        image = images.ensure_image(task, home)
    except EnvironmentFailed:
        image = copied(task, home) or ""
        if not image:
            raise
    environment = export_image(image, home / "roots")
    write_whole(_pointer(task, home), json.dumps({"task": task.id, "name": task.image, "image": image}))
    return environment


def copied(task: Task, home: Path) -> str | None:
    """The id of the image of a task whose root file system was copied before, if it is still there."""
    try:
        image = str(json.loads(_pointer(task, home).read_bytes())["image"])
    except (OSError, ValueError, KeyError):
        return None
    return image if _copies(image, home) else None


def why_not(tasks: Sequence[Task], home: Path) -> str | None:
    """Why the images of these tasks cannot be copied; None if they can, as far as can be told before."""
    if not tasks:
        return None
    try:
        with images.engine() as client:
            found = [images.find(client, task) for task in tasks]
            sizes = [client.images.get(image).attrs["Size"] if image else COPY_BYTES for image in found]
    except EnvironmentFailed as error:
        return f"{tasks[0].id} comes as a container image only, of which there is no copy yet, and {error}"
    place = next(folder for folder in (home, *home.parents) if folder.is_dir())
    free, needed = shutil.disk_usage(place).free, sum(sizes)
    if free < needed:
        return (
            f"{len(tasks)} tasks such as {tasks[0].id} come as container images only, and {place} has {free >> 30} GiB "
            f"free for copies of them, which can take {needed >> 30} GiB"
        )
    return None


def copy_repository(environment: Environment, destination: Path) -> None:
    """Copy the repository of an environment with a root, without what git keeps of it, to a new folder."""
    assert environment.root is not None
    source = environment.root / environment.repository.lstrip("/")
    shutil.copytree(source, destination, symlinks=True, ignore=shutil.ignore_patterns(".git"))


def copies(home: Path, tasks: set[str] | None = None) -> dict[Path, tuple[str, int]]:
    """The copies there are, of the images of these tasks or all: folder, task, and bytes."""
    found: dict[Path, tuple[str, int]] = {}
    for pointer in sorted((home / "roots" / ".named").glob("*")):
        named = json.loads(pointer.read_bytes())
        if tasks is None or named["task"] in tasks:
            found |= {folder: (named["task"], size_of(folder)) for folder in _copies(named["image"], home)}
    return found


def size_of(folder: Path) -> int:
    """Bytes that a folder takes on the disk."""
    total = 0
    for place, _, names in os.walk(folder):
        total += sum(os.lstat(os.path.join(place, name)).st_blocks * 512 for name in names)
    return total


def _copies(image: str, home: Path) -> list[Path]:
    return [path.parent for path in (home / "roots").glob(f"{image.removeprefix('sha256:')}*/root")]


def _pointer(task: Task, home: Path) -> Path:
    name = hashlib.sha256(f"{task.id} {task.image}".encode()).hexdigest()[:24]
    return home / "roots" / ".named" / name

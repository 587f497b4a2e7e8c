"""Keeps few container images on disk: what a run pulled is removed once its tasks have ended."""

from __future__ import annotations

import fcntl
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.tasks import images, roots
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.pulling import key_of, note_of_pull


class KeptImages:
    """The images that tasks run in. Thread-safe; its methods block.

    `keep`: of the images whose tasks have all ended, how many stay, the last used; None: all stay. Only those go that
    codemonkeys pulled, as they can be pulled again, with what was derived or copied from them, and only while no other
    process uses them here. `release`: told the id of an image that is to go, so that no container waits in it.
    `tell`: told what could not be removed.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        home: Path,
        keep: int | None,
        release: Callable[[str], None] | None = None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._home, self._keep, self._tell = home, keep, tell
        self._release = release or (lambda image: None)
        self._tasks: defaultdict[str, dict[str, Task]] = defaultdict(dict)
        for task in tasks:
            if task.image is not None:
                self._tasks[task.image][task.id] = task
        self._unfinished = {image: set(tasks) for image, tasks in self._tasks.items()}
        self._in_use: dict[str, IO[bytes]] = {}
        self._ended: dict[str, None] = {}
        self._lock = threading.Lock()

    def begin(self, task: Task) -> None:
        """Keep a task's image from being removed, here and by other processes, until `end`."""
        if task.image is None:
            return
        with self._lock:
            self._unfinished[task.image].add(task.id)
            self._ended.pop(task.image, None)
            if task.id not in self._in_use:
                self._in_use[task.id] = file = _lock_file(self._home, task.image).open("wb")
                fcntl.flock(file, fcntl.LOCK_SH)

    def end(self, task: Task) -> None:
        """Give back a task's image, and remove the images that ended longest ago beyond those that stay."""
        if task.image is None:
            return
        with self._lock:
            if task.id in self._in_use:
                self._in_use.pop(task.id).close()
            self._unfinished[task.image].discard(task.id)
            if self._keep is None or self._unfinished[task.image] or not note_of_pull(self._home, task.image).is_file():
                return
            self._ended[task.image] = None
            while len(self._ended) > self._keep:
                image = next(iter(self._ended))
                del self._ended[image]
                self._remove(image)

    def close(self) -> None:
        """Give back the images of all tasks; none is removed."""
        with self._lock:
            for file in self._in_use.values():
                file.close()
            self._in_use.clear()

    def _remove(self, image: str) -> None:
        with _lock_file(self._home, image).open("wb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return  # another process uses it, and has a limit of its own or none
            tasks = self._tasks[image].values()
            try:
                with images.engine() as client:
                    _remove_from(client, image, tasks, self._release)
            except EnvironmentFailed as error:
                self._tell(f"the image {image} could not be removed: {error}")
                return
            for folder in roots.copies(self._home, {task.id for task in tasks}):
                shutil.rmtree(folder, ignore_errors=True)
            note_of_pull(self._home, image).unlink(missing_ok=True)


def _remove_from(client: Any, image: str, tasks: Iterable[Task], release: Callable[[str], None]) -> None:
    """Remove an image from the engine, what was derived from it first."""
    from docker.errors import ImageNotFound

    from sandboxes.ready import ready_images_of

    names = [image, *(images.built_image_name(task) for task in tasks if task.branch or task.hidden)]
    for name in reversed(names):
        found = images.get(client, name)
        if found is None:
            continue
        release(str(found.id))
        for ready in ready_images_of(client, str(found.id)):
            client.images.remove(ready, force=True)
        try:
            client.images.remove(name)
        except ImageNotFound:
            continue


def _lock_file(home: Path, image: str) -> Path:
    path = home / "images" / "in-use" / f"{key_of(image)}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path

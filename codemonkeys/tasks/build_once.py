"""Making what is costly once, whole or not at all, by one process or thread at a time, with room for it."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from codemonkeys.errors import EnvironmentFailed

FREE_BYTES = 2 << 30
"""Room that building an environment from a task's files can take: its packages twice, packed and installed."""


def make_once(folder: Path, fill: Callable[[Path], None], needed: int | None = None) -> None:
    """Make a folder if it is not there. Raises EnvironmentFailed without `needed` bytes (`FREE_BYTES`) of room."""
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(f".{folder.name}.lock")):
        if folder.is_dir():
            return
        check_room(folder.parent, FREE_BYTES if needed is None else needed, "name another folder in CODEMONKEYS_HOME")
        making = folder.with_name(f".{folder.name}.making")
        if making.exists():  # its maker was killed, or it would hold the lock
            shutil.rmtree(making)
        making.mkdir()
        try:
            fill(making)
            making.rename(folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)


def unfinished(home: Path) -> list[Path]:
    """What makers that were killed have left half made in the folders of a home folder."""
    found = []
    for making in sorted(home.glob("*/.*.making")):
        with making.with_name(making.name.removesuffix(".making") + ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # somebody is making it
            found.append(making)
    return found


def check_room(folder: Path, needed: int, otherwise: str) -> None:
    """Raise EnvironmentFailed if the file system of a folder has fewer bytes free than are needed."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise EnvironmentFailed(
            f"{folder} has {free >> 20} MiB free, this can take {needed >> 20} MiB; free some space, or {otherwise}"
        )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file that is made for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

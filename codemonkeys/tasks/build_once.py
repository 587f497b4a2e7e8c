"""Creates folders that are expensive to make: once, by one process or thread, completely or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.system import programs
from sandboxes import locks

FREE_BYTES = 2 << 30
"""Disk space required to build an environment from a task's files: its packages twice, as wheels and installed."""

IN_PLACE = "installed"
"""In a home folder: what `make_in_place` makes."""
MADE = ".made"


def make_once(folder: Path, fill: Callable[[Path], None], needed: int | None = None) -> None:
    """Create a folder and fill it, unless it exists. Raises EnvironmentFailed if fewer than `needed` bytes are free.

    `fill` gets a temporary folder, which is renamed once it is complete. Default of `needed`: `FREE_BYTES`.
    """
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(f".{folder.name}.lock")):
        if folder.is_dir():
            return
        check_room(folder.parent, FREE_BYTES if needed is None else needed, "name another folder in CODEMONKEYS_HOME")
        making = folder.with_name(f".{folder.name}.making")
        if making.exists():  # left by a process that was killed: a living one would hold the lock
            shutil.rmtree(making)
        making.mkdir()
        try:
            fill(making)
            making.rename(folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)


def make_in_place(folder: Path, fill: Callable[[Path], None], needed: int | None = None) -> None:
    """Create a folder that cannot be moved once it is filled, unless it is complete; `MADE` in it says that it is.

    Raises EnvironmentFailed if fewer than `needed` bytes are free.
    """
    if is_made(folder):
        return
    with locked(folder.with_name(f".{folder.name}.lock")):
        if is_made(folder):
            return
        check_room(folder.parent, FREE_BYTES if needed is None else needed, "name another folder in CODEMONKEYS_HOME")
        shutil.rmtree(folder, ignore_errors=True)  # left by a process that was killed
        folder.mkdir()
        try:
            fill(folder)
            (folder / MADE).touch()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise


def is_made(folder: Path) -> bool:
    """Whether `make_in_place` has completed a folder."""
    return (folder / MADE).is_file()


def unfinished(home: Path) -> list[Path]:
    """Incomplete folders left in a home folder by processes that were killed."""
    found = []
    in_place = [lock.with_name(lock.name[1:-5]) for lock in home.glob(f"{IN_PLACE}/.*.lock")]
    incomplete = [folder for folder in in_place if folder.is_dir() and not is_made(folder)]
    for making in sorted([*home.glob("*/.*.making"), *incomplete]):
        name = making.name.removesuffix(".making")
        with making.with_name(f"{name if name.startswith('.') else f'.{name}'}.lock").open("w") as file:
            if locks.taken(file):  # else it is in the making
                found.append(making)
    return found


def check_room(folder: Path, needed: int, otherwise: str) -> None:
    """Raise EnvironmentFailed if fewer than `needed` bytes are free for a folder; `otherwise`: what else would help."""
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise EnvironmentFailed(
            f"{folder} has {free >> 20} MiB free, this can take {needed >> 20} MiB; free some space, or {otherwise}"
        )


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file, which is created for it.

    Raises EnvironmentFailed if the session that this thread works for is aborted before the lock is free.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        if not locks.take(file, programs.killed):
            raise EnvironmentFailed(f"aborted while another process held {path}")
        yield

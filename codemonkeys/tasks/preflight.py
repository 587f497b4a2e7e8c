"""What is said of tasks before money is spent: which cannot be graded, and which machines their images are for."""

from __future__ import annotations

import platform
import shutil
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from codemonkeys.errors import BadRecord, EnvironmentFailed
from codemonkeys.tasks import images, pulling
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.sources import read_records
from codemonkeys.wording import option

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""Other names of architectures."""
IMAGE_BYTES = 4 << 30
"""Estimated size of an image that has not been pulled; those of SWE-bench take 2 to 6 GB."""
NAMED = 3
"""Maximum number of tasks that a notice names."""


def notices(source: str | Path, ids: Sequence[str]) -> list[str]:
    """One line for each reason why some of the tasks cannot be graded, and for each limit of their data set.

    No label is read. Raises as `read_records`.
    """
    ungradable: defaultdict[str, list[str]] = defaultdict(list)
    machines: dict[tuple[str, str], None] = {}
    notes: dict[tuple[str, str], None] = {}
    for record in read_records(source, ids, ()):
        about = record.about
        if about.ungradable:
            ungradable[about.ungradable].append(record.id)
        if about.machine:
            machines[about.format, about.machine] = None
        if about.note:
            notes[about.format, about.note] = None
    lines = [
        f"{_named(found)} will not be gradable by `codemonkeys evaluate`: {why}" for why, found in ungradable.items()
    ]
    here = platform.machine().lower()
    for format, machine in machines:
        other = MACHINES.get(here, here) != machine
        slow = f"; this machine is {here}: an engine runs them by emulation, if at all" if other else ""
        lines.append(f"{format}: images exist for linux/{machine} only{slow}")
    return [*lines, *(f"{format}: {note}" for format, note in notes)]


def disk_notices(tasks: Sequence[Task], keep: int | None = None, at_once: int = 1) -> list[str]:
    """One line on the disk that images will take which the engine does not have; none if it has all, or is not there.

    Nothing is pulled. `keep`: images that stay once their tasks have ended; None: all. `at_once`: concurrent tasks.
    """
    wanted = dict.fromkeys(task.image for task in tasks if task.image is not None and task.folder is None)
    try:
        with images.engine() as client:
            absent = [name for name in wanted if images.get(client, name) is None]
            place = pulling.engine_disk(client) if absent else None
    except EnvironmentFailed:
        return []
    if not absent:
        return []
    there = len(absent) if keep is None else min(len(absent), keep + at_once)
    needed = there * IMAGE_BYTES
    some = "" if there == len(absent) else f", {there} at a time,"
    line = f"{len(absent)} images are not on the engine yet: they{some} can take about {needed >> 30} GiB"
    if place is None:
        return [line]
    free = shutil.disk_usage(place).free
    short = (
        f"; that is not enough: keep fewer with {option('keep_images', 'N')}, or move the engine's folder"
        if free < needed
        else ""
    )
    return [f"{line} of the {free >> 30} GiB that {place} has free{short}"]


def check_gradable(source: str | Path, ids: Sequence[str]) -> None:
    """Raise BadRecord for the first task that `evaluate` cannot grade, with the reason."""
    for record in read_records(source, ids, ()):
        if record.about.ungradable:
            raise BadRecord(f"{record.id}: {record.about.ungradable}")


def _named(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - NAMED} more tasks" if len(ids) > NAMED else ""
    return ", ".join(ids[:NAMED]) + more

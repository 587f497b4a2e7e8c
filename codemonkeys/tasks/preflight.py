"""What is said of tasks before money is spent: which cannot be graded, and which machines their images are for."""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from codemonkeys.errors import BadRecord
from codemonkeys.tasks.sources import read_records

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""Other names of architectures."""
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


def check_gradable(source: str | Path, ids: Sequence[str]) -> None:
    """Raise BadRecord for the first task that `evaluate` cannot grade, with the reason."""
    for record in read_records(source, ids, ()):
        if record.about.ungradable:
            raise BadRecord(f"{record.id}: {record.about.ungradable}")


def _named(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - NAMED} more tasks" if len(ids) > NAMED else ""
    return ", ".join(ids[:NAMED]) + more

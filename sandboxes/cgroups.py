"""Linux control groups, version 1 or 2, where this process may write them: limits of a whole process tree."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sandboxes.base import Limits

ROOT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_PREFIX = "codemonkeys"
_OOM_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
_numbers = itertools.count()


@dataclass(frozen=True)
class Group:
    """One group of processes: a folder in each hierarchy that could be used."""

    folders: tuple[Path, ...]

    @property
    def entrances(self) -> list[str]:
        """Files that a process writes "0" to in order to join."""
        return [str(folder / "cgroup.procs") for folder in self.folders]

    def oom_kills(self) -> int:
        """How many processes the kernel has killed for want of memory."""
        for folder in self.folders:
            for name in ("memory.events", "memory.oom_control"):
                if (folder / name).is_file() and (found := _OOM_KILLS.search((folder / name).read_text())):
                    return int(found[1])
        return 0

    def remove(self) -> None:
        """Remove the group. A process that has just ended may be counted for a moment."""
        for folder in self.folders:
            for _ in range(50):
                try:
                    folder.rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.01)


def parents(root: Path = ROOT) -> dict[str, Path]:
    """The folder to make groups in for each controller that we may use: memory, pids, cpu.

    In version 2 that is a folder of our own below the root, as only a group without processes may have groups with
    limits; in version 1 it is the group that this process is in.
    """
    if (root / "cgroup.controllers").is_file():
        own = root / _PREFIX
        return {name: own for name in ("memory", "pids", "cpu") if _pass_down(root, own, name)}
    if not _MEMBERSHIP.is_file():
        return {}
    found = {}
    for line in _MEMBERSHIP.read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for name in {"memory", "pids", "cpu"}.intersection(controllers.split(",")):
            for folder in (root / name / path.lstrip("/"), root / name):
                if folder.is_dir() and os.access(folder, os.W_OK):
                    found[name] = folder
                    break
    return found


def _pass_down(root: Path, own: Path, controller: str) -> bool:
    """Let the groups below `own` use a controller, in version 2; whether that could be done."""
    try:
        own.mkdir(exist_ok=True)
        for folder in (root, own):
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")
    except OSError:
        return False
    return True


def create(limits: Limits, extra_processes: int, parents: dict[str, Path]) -> Group | None:
    """A new group with these limits, or None where memory or the number of processes cannot be limited so."""
    if not {"memory", "pids"} <= parents.keys():
        return None
    name = f"{_PREFIX}-{os.getpid()}-{next(_numbers)}"
    group = Group(tuple({folder / name: None for folder in parents.values()}))
    memory, period = limits.memory_mb << 20, 100_000
    try:
        for folder in group.folders:
            folder.mkdir()
        _set(group, "pids.max", limits.processes + extra_processes)
        _set(group, "memory.limit_in_bytes", memory)
        _set(group, "memory.memsw.limit_in_bytes", memory)
        _set(group, "memory.max", memory)
        _set(group, "memory.swap.max", 0)
        _set(group, "cpu.cfs_quota_us", int(limits.cpus * period))
        _set(group, "cpu.max", f"{int(limits.cpus * period)} {period}")
    except OSError:
        group.remove()
        return None
    return group


def _set(group: Group, name: str, value: object) -> None:
    for folder in group.folders:
        if (folder / name).exists():
            (folder / name).write_text(str(value))


def remove_of(owner: int, folders: Iterable[Path]) -> int:
    """Remove the groups that a process has made in these folders; how many cannot be removed yet."""
    left = 0
    for group in {group for folder in folders for group in folder.glob(f"{_PREFIX}-{owner}-*")}:
        try:
            group.rmdir()
        except OSError:
            left += group.exists()
    return left


def orphans(parents: dict[str, Path]) -> list[Path]:
    """Groups that processes now dead have left behind."""
    groups = sorted({group for folder in set(parents.values()) for group in folder.glob(f"{_PREFIX}-*-*")})
    owned = [(group.name.split("-")[1], group) for group in groups]
    return [group for owner, group in owned if owner.isdigit() and not Path(f"/proc/{owner}").exists()]


def remove_orphans(parents: dict[str, Path]) -> None:
    """Remove groups that processes now dead have left behind; one whose processes are just ending stays for later."""
    for group in orphans(parents):
        with contextlib.suppress(OSError):
            group.rmdir()

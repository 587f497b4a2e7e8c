"""Linux control groups, v1 or v2, where this process may write them: resource limits of a whole process tree."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sandboxes.base import Limits

ROOT = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")
_PREFIX = "codemonkeys"
_OOM_KILLS = re.compile(r"^oom_kill (\d+)$", re.MULTILINE)
_MOMENT = 0.1
_TICK = 0.05
_SWEEPING = 10.0
_PROCESSES = f"{_PREFIX}-processes"
"""Group of this process and its neighbours below a delegated one, which may not have both processes and groups."""
_numbers = itertools.count()
_busy: set[Path] = set()
"""Groups of this process that could not be removed yet, as a process in them was still exiting."""
_changing_busy = threading.RLock()
"""Taken again by the thread that holds it: a collection of garbage in the middle may end a sandbox, with its groups."""
_sweeping = False
"""Whether a thread removes busy groups."""


@dataclass(frozen=True)
class Group:
    """A control group: one folder in each hierarchy in use."""

    folders: tuple[Path, ...]

    @property
    def entrances(self) -> list[str]:
        """Paths of the `cgroup.procs` files that a process joins by writing "0"."""
        return [str(folder / "cgroup.procs") for folder in self.folders]

    def oom_kills(self) -> int:
        """Number of processes killed by the OOM killer."""
        for folder in self.folders:
            for name in ("memory.events", "memory.oom_control"):
                if (folder / name).is_file() and (found := _OOM_KILLS.search((folder / name).read_text())):
                    return int(found[1])
        return 0

    def remove(self) -> None:
        """Remove the group; if processes in it are still exiting, after a moment or with a later group."""
        deadline = time.monotonic() + _MOMENT
        for folder in self.folders:
            while not _removed(folder):
                if time.monotonic() > deadline:
                    with _changing_busy:
                        _busy.add(folder)
                    break
                time.sleep(0.01)

    def abandon(self) -> None:
        """Have a thread remove the group once the processes in it have exited, for up to some seconds."""
        global _sweeping
        with _changing_busy:
            _busy.update(self.folders)
            begin, _sweeping = not _sweeping, True
        if begin:
            try:
                threading.Thread(target=_sweep, name="codemonkeys-cgroups").start()
            except RuntimeError:  # there is none to be had: a later group's removal takes this one along
                _sweeping = False


def _sweep() -> None:
    global _sweeping
    deadline = time.monotonic() + _SWEEPING
    while True:
        time.sleep(_TICK)
        remove_busy()
        with _changing_busy:
            if not _busy or time.monotonic() > deadline:
                _sweeping = False
                return


def remove_busy(seconds: float = 0.0) -> None:
    """Remove groups that were busy before, waiting so long for what still runs in them."""
    deadline = time.monotonic() + seconds
    while True:
        with _changing_busy:
            found = _busy.copy()
        gone = [folder for folder in found if _removed(folder)]
        with _changing_busy:
            _busy.difference_update(gone)
            left = bool(_busy)
        if not left or time.monotonic() >= deadline:
            return
        time.sleep(0.05)


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def parents(root: Path = ROOT) -> dict[str, Path]:
    """Parent folder of new groups by controller (memory, pids, cpu), for those controllers that we may use.

    In v2 that is a folder of our own below the root, or else below the group that systemd has delegated to us, as only
    a group without processes may pass controllers on; in v1 it is the group of this process.
    """
    if (root / "cgroup.controllers").is_file():
        return _below(root) or _below(_delegated(root))
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


def _below(above: Path | None) -> dict[str, Path]:
    """The parent folder below a group by controller (v2)."""
    if above is None:
        return {}
    own = above / _PREFIX
    return {name: own for name in ("memory", "pids", "cpu") if _pass_down(above, own, name)}


def _delegated(root: Path) -> Path | None:
    """The group of this process (v2), if systemd has delegated it to us; its processes are moved to a group below."""
    lines = _MEMBERSHIP.read_text().splitlines() if _MEMBERSHIP.is_file() else []
    paths = [line.removeprefix("0::/") for line in lines if line.startswith("0::/")]
    if not paths or not paths[0]:
        return None
    own = root / paths[0].removesuffix(f"/{_PROCESSES}")  # as a process before us may have done this already
    try:
        if os.getxattr(own, "user.delegate") != b"1":
            return None
        processes = own / _PROCESSES
        processes.mkdir(exist_ok=True)
        for process in (own / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                (processes / "cgroup.procs").write_text(process)
    except OSError:
        return None
    return own


def usable(parents: dict[str, Path]) -> bool:
    """Whether groups can limit what must be limited."""
    return {"memory", "pids"} <= parents.keys()


def _pass_down(root: Path, own: Path, controller: str) -> bool:
    """Enable a controller for the groups below `own` (v2); returns whether that succeeded."""
    try:
        own.mkdir(exist_ok=True)
        for folder in (root, own):
            (folder / "cgroup.subtree_control").write_text(f"+{controller}")
    except OSError:
        return False
    return True


def create(limits: Limits, extra_processes: int, parents: dict[str, Path]) -> Group | None:
    """A new group with these limits; None where control groups cannot limit both memory and processes."""
    if not usable(parents):
        return None
    remove_busy()
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
    """Remove the groups that a process created in these folders; returns how many are still busy."""
    left = 0
    for group in {group for folder in folders for group in folder.glob(f"{_PREFIX}-{owner}-*")}:
        try:
            group.rmdir()
        except OSError:
            left += group.exists()
    return left


def orphans(parents: dict[str, Path]) -> list[Path]:
    """Groups left behind by dead processes."""
    groups = sorted({group for folder in set(parents.values()) for group in folder.glob(f"{_PREFIX}-*-*")})
    owned = [(group.name.split("-")[1], group) for group in groups]
    return [group for owner, group in owned if owner.isdigit() and not Path(f"/proc/{owner}").exists()]


def remove_orphans(parents: dict[str, Path]) -> None:
    """Remove groups left behind by dead processes, except those with processes that are still exiting."""
    for group in orphans(parents):
        with contextlib.suppress(OSError):
            group.rmdir()

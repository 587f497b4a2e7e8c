"""Leaks after many executions: open files, memory, containers, mounts, processes, control groups and disk."""

from __future__ import annotations

import contextlib
import gc
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sandboxes import cgroups
from sandboxes.base import SandboxError
from sandboxes.engine import LABEL, open_engine

SPARE = {"memory": 8 << 20, "disk": 1 << 20}
"""Growth in bytes that is tolerated as noise; other counts must not grow at all."""


def count(run: str, mark: str, folder: Path) -> dict[str, int]:
    """Current resource counts of a run, its processes (those with `mark` in their environment) and its folder.

    Memory and open files are those of this process and its descendants.
    """
    family = _family(os.getpid())
    return {
        "open files": sum(len(_entries(f"/proc/{process}/fd")) for process in family),
        "memory": sum(_memory(process) for process in family),
        **_of_engine(run),
        "processes": sum(_has(process, mark) for process in _entries("/proc") if process.isdigit()),
        "children": len(family) - 1,
        "control groups": sum(
            len(list(parent.glob(f"*-{os.getpid()}-*"))) for parent in set(cgroups.parents().values())
        ),
        "disk": sum(path.lstat().st_blocks * 512 for path in folder.rglob("*")),
    }


def left_behind(
    name: str,
    execute: Callable[[], None],
    linger: Callable[[], None],
    executions: int,
    workers: int,
    run: str,
    mark: str,
    folder: Path,
) -> int:
    """Run executions and print counts that have grown since the first tenth; returns how many have.

    `linger`: an execution that lasts for seconds. As many are begun first as there are workers: what waits for the next
    executions is as many as were ever under way at a time, and short ones may overlap for the first time much later.
    """
    count(run, mark, folder)  # loads the engine's library, whose memory would count as grown
    with ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(lambda _: linger(), range(workers)):
            pass
        for _ in pool.map(lambda _: execute(), range(max(executions // 10, workers))):
            pass
        before = _settled(run, mark, folder)
        started = time.perf_counter()
        for _ in pool.map(lambda _: execute(), range(executions)):
            pass
        seconds = time.perf_counter() - started
        after = _settled(run, mark, folder)
    grown = {what: after[what] - before[what] for what in before if after[what] - before[what] > SPARE.get(what, 0)}
    print(
        f"{name}: {executions} executions in {seconds:.0f} s; "
        + "; ".join(f"{what} {before[what]} -> {after[what]}" for what in before),
        flush=True,
    )
    return len(grown)


def _settled(run: str, mark: str, folder: Path) -> dict[str, int]:
    """The counts once all activity has settled."""
    gc.collect()
    time.sleep(3)
    return count(run, mark, folder)


def _family(process: int) -> list[int]:
    """A process and all its descendants."""
    found = [process]
    for parent in found:
        for task in _entries(f"/proc/{parent}/task"):
            try:
                words = Path(f"/proc/{parent}/task/{task}/children").read_text().split()
            except OSError:
                continue
            found += map(int, words)
    return found


def _entries(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _memory(process: int) -> int:
    """Proportional set size of a process in bytes, without files: who else maps these decides what its share is."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:")))


def _has(process: str, mark: str) -> bool:
    try:
        return mark.encode() in Path(f"/proc/{process}/environ").read_bytes()
    except OSError:
        return False


def _of_engine(run: str) -> dict[str, int]:
    """The run's containers, and this machine's mounts except those of any container of the engine, if there is one."""
    containers: list[object] = []
    root = None
    with contextlib.suppress(SandboxError), contextlib.closing(open_engine(timeout=60)) as engine:
        containers = engine.api.containers(all=True, filters={"label": f"{LABEL}.run={run}"})
        root = engine.info()["DockerRootDir"]
    mounts = [line.split() for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    ours = [words for words in mounts if not (root and words[4].startswith(root)) and "nsfs" not in words]
    return {"containers": len(containers), "mounts": len(ours)}

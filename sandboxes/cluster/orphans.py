"""What is left of a cluster that `starting` began, where its end was killed too."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from contextlib import suppress
from pathlib import Path

from sandboxes.cluster.starting import OWNER, PREFIX, RAYS
from sandboxes.processes import pid_namespace, process_start

_ROUNDS = 5
"""In which processes are killed: one of them may have started another meanwhile."""


def orphaned_clusters() -> list[Path]:
    """Folders of this user's clusters whose owner has died; who is in another container, nobody here can tell."""
    found = []
    for folder in sorted(path for place in {tempfile.gettempdir(), "/tmp"} for path in Path(place).glob(f"{PREFIX}*")):
        with suppress(OSError):
            ours = folder.is_dir() and not folder.is_symlink() and folder.lstat().st_uid == os.geteuid()
            text = (folder / OWNER).read_text() if ours else ""
            owner, started, namespace, *_ = [*text.split(), "", "", ""]
            told = namespace in ("", pid_namespace()) and owner.isdigit() and started.isdigit()
            if told and process_start(int(owner)) != started:
                found.append(folder)
    return found


def end_cluster(folder: Path) -> None:
    """Kill what still runs of a cluster, and remove its folder. Raises OSError."""
    for _ in range(_ROUNDS):
        if not (left := processes_of(folder)):
            break
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder)


def processes_of(folder: Path) -> list[int]:
    """Processes of this user that were started for a cluster: all of them have a variable that names its folder."""
    mark, found = b"RAY_TMPDIR=" + os.fsencode(folder / RAYS), []
    for about in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if about.stat().st_uid == os.geteuid() and mark in (about / "environ").read_bytes().split(b"\0"):
                found.append(int(about.name))
    return sorted(set(found) - {os.getpid()})

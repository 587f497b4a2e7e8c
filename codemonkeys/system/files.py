"""Files that nobody ever meets half of, and temporary folders that tell whose they are."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sandboxes.processes import process_start

SCRATCH = "codemonkeys-scratch"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder that tells by its name whose it is; `leftovers` finds those of processes that were killed.

    Its owner holds a lock on it, which processes see that share the folder but not the process ids: of a container.
    """
    owner = os.getpid()
    with tempfile.TemporaryDirectory(prefix=f"{SCRATCH}-{owner}-{process_start(owner)}-") as name:
        folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(folder, fcntl.LOCK_SH)
            yield Path(name)
        finally:
            os.close(folder)


def leftovers() -> list[Path]:
    """Temporary folders of ours whose process, of this user, has died; one that goes meanwhile is none."""
    found = []
    for path in sorted(Path(tempfile.gettempdir()).glob(f"{SCRATCH}-*-*-*")):
        owner, started = path.name.removeprefix(f"{SCRATCH}-").split("-")[:2]
        if not owner.isdigit() or not started.isdigit() or process_start(int(owner)) == started:
            continue
        with suppress(OSError):
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                if os.fstat(folder).st_uid == os.geteuid():
                    fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    found.append(path)
            finally:
                os.close(folder)
    return found


def write_whole(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file, its mode included, in one step: a reader, or a crash, never meets half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape", newline="") as file:
            os.fchmod(handle, mode)
            file.write(text)
            file.flush()
            os.fsync(handle)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise

"""Files that nobody ever meets half of, and temporary folders that tell whose they are."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sandboxes.processes import process_start

SCRATCH = "codemonkeys-scratch"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A temporary folder that tells by its name whose it is; `leftovers` finds those of processes that were killed."""
    owner = os.getpid()
    with tempfile.TemporaryDirectory(prefix=f"{SCRATCH}-{owner}-{process_start(owner)}-") as name:
        yield Path(name)


def leftovers() -> list[Path]:
    """Temporary folders of ours whose process, of this user, has died."""
    found = []
    for folder in sorted(Path(tempfile.gettempdir()).glob(f"{SCRATCH}-*-*-*")):
        owner, started = folder.name.removeprefix(f"{SCRATCH}-").split("-")[:2]
        about = folder.lstat()
        ours = folder.is_dir() and not folder.is_symlink() and about.st_uid == os.geteuid()
        if ours and owner.isdigit() and started.isdigit() and process_start(int(owner)) != started:
            found.append(folder)
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

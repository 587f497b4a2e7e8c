"""The example run as it comes with the package: a compressed database."""

from __future__ import annotations

import lzma
import os
import tempfile
from pathlib import Path

from codemonkeys.errors import JournalError
from codemonkeys.journal.run_files import make_private_folder, run_folder

NAME = "example"
PACKED = Path(__file__).with_name("run.db.xz")


def store_example(runs: Path, name: str = NAME) -> Path:
    """Store the example run in a folder of runs, unless a run of this name is there; returns the run's folder.

    Raises BadInput for a name that no run can have, JournalError if the folder cannot be written.
    """
    folder = run_folder(runs, name)
    database = folder / "run.db"
    if database.exists():
        return folder
    make_private_folder(folder)
    try:
        handle, temporary = tempfile.mkstemp(dir=folder, prefix=".run.db.")
        with os.fdopen(handle, "wb") as file:
            file.write(lzma.decompress(PACKED.read_bytes()))
        os.rename(temporary, database)
    except OSError as error:
        raise JournalError(f"cannot write {database}: {error.strerror}; free some disk space") from None
    return folder

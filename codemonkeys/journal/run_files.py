"""Files of a run: its folder, the lock of the process that works on it, and opening its database safely."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from codemonkeys.errors import BadInput, CorruptJournal, JournalError, NewerJournal, RunBusy
from codemonkeys.journal.schema import migrations
from codemonkeys.wording import option

if TYPE_CHECKING:
    from sqlite_utils import Database

RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def run_folder(runs: Path, name: str) -> Path:
    """Folder of a run; raises BadInput for a name that could be anything but one folder."""
    if not RUN_NAME.fullmatch(name):
        raise BadInput(
            f"run name {name!r} cannot be used: letters, digits, '.', '_' and '-' only, "
            "starting with a letter or digit, 100 characters at most"
        )
    return runs / name


def database_of(runs: Path, name: str) -> Path:
    """Path of the database of a run that exists; raises BadInput naming the runs there are."""
    path = run_folder(runs, name) / "run.db"
    if not path.is_file():
        there = sorted(p.parent.name for p in runs.glob("*/run.db"))
        known = f"; runs there: {', '.join(there[:20])}" if there else ""
        raise BadInput(f"no run {name!r} in {runs}{known}")
    return path


def owner_of(folder: Path) -> int | None:
    """The id of the process that works on a run, or None if none does."""
    try:
        with open(folder / "run.lock", "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read(100) or 0)
    except OSError:
        pass
    return None


class RunLock:
    """Held by the one process that writes to a run; the system lets go of it when that process ends."""

    def __init__(self, folder: Path) -> None:
        """Take the lock; raises RunBusy naming the process that holds it."""
        path = folder / "run.lock"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not self._take():
            owner = os.read(self._file, 100).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            raise RunBusy(f"process {owner} works on the run in {folder}; wait for it to end, or stop it")
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def _take(self) -> bool:
        for wait in (0.05, 0.2, None):  # `owner_of` holds it for a moment, to see whether it is free.
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if wait is not None:
                    time.sleep(wait)
        return False

    def release(self) -> None:
        """Let go; calling twice is allowed."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def make_private_folder(folder: Path) -> None:
    """Create a run's folder, readable by its owner only; raises JournalError where that is not allowed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise JournalError(
            f"cannot make the run's folder {folder}: {error.strerror}; choose another with {option('runs', 'FOLDER')}"
        ) from None


def connect_to_write(path: Path) -> Database:
    """Open a run's database, bringing its schema up to date; an older one is copied beside it first.

    Raises CorruptJournal, NewerJournal, JournalError.
    """
    from sqlite_utils import Database

    existed = path.exists() and path.stat().st_size > 0
    try:
        with ExitStack() as on_failure:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            # Legacy transaction control without implicit BEGIN: every write transaction here begins IMMEDIATE.
            connection = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
            on_failure.callback(connection.close)
            with_schema = Database(connection)
            if existed:
                check_schema(connection, path)
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL: a paid answer must survive a power cut too, not only the death of the process.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            if existed and migrations().pending(with_schema):
                back_up(connection, path)
            migrations().apply(with_schema)
            on_failure.pop_all()
            return with_schema
    except OSError as error:
        raise JournalError(f"cannot write {path}: {error.strerror}") from None
    except sqlite3.OperationalError as error:
        raise JournalError(
            f"cannot write {path}: {error}; free some disk space or check the folder's permissions"
        ) from None
    except sqlite3.DatabaseError as error:
        raise corrupt(path, str(error)) from None


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing and waits for nobody who writes."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A run's database, open without changing it, while others may write. Raises CorruptJournal, NewerJournal."""
    try:
        with closing(connect_to_read(path)) as connection:
            connection.row_factory = sqlite3.Row
            check_schema(connection, path)
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'costs'").fetchone():
                # Written by an older version, and not changed by being read.
                connection.execute("CREATE TEMP VIEW costs AS SELECT * FROM calls")
            yield connection
    except sqlite3.DatabaseError as error:
        raise corrupt(path, str(error)) from None


def check_schema(connection: sqlite3.Connection, path: Path) -> None:
    """Raise CorruptJournal if this is no run database, NewerJournal if a newer version wrote it."""
    table = connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone()
    if table is None:
        raise corrupt(path, "it holds no run")
    query = "SELECT name FROM _sqlite_migrations WHERE migration_set = 'codemonkeys'"
    applied = {row[0] for row in connection.execute(query)}
    if not applied:
        raise corrupt(path, "it holds no run")
    newer = sorted(applied - KNOWN_MIGRATIONS)
    if newer:
        raise NewerJournal(f"{path} was written by a newer codemonkeys (it has {', '.join(newer)}); upgrade to open it")


KNOWN_MIGRATIONS = frozenset({"m001_initial", "m002_verdicts", "m003_evidence", "m004_bill", "m005_standing"})
"""Names of `schema.migrations()`, written out so that readers need not load sqlite-utils; a test compares them."""


def back_up(connection: sqlite3.Connection, path: Path) -> None:
    """Copy a database beside itself, with what its write-ahead log holds, before its schema is changed."""
    copy = path.with_name(f"{path.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    if shutil.disk_usage(path.parent).free < 2 * path.stat().st_size:
        raise JournalError(f"no room to copy {path} before its schema is brought up to date; free some disk space")
    os.close(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    target = sqlite3.connect(copy)
    with target:
        connection.backup(target)
    target.close()


def corrupt(path: Path, what: str) -> CorruptJournal:
    """The error for a file that cannot be read as a run, left as it is."""
    return CorruptJournal(
        f"{path} cannot be read as a run: {what}. It is left as it is. "
        f"Save what can be saved with: sqlite3 {path} .recover, or start a run under another name"
    )

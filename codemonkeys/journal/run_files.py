"""Files of a run: its folder, its lock, and opening its database safely."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from codemonkeys.errors import BadInput, CorruptJournal, JournalError, NewerJournal, RunBusy
from codemonkeys.system.files import write_whole
from codemonkeys.wording import option

IGNORE = ".gitignore"
"""File in a run's folder that keeps the run out of a git repository around it."""
UNREADABLE = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What sqlite3 raises on a damaged file: the second where the damage is in a name that its own message would tell."""
RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


def run_folder(runs: Path, name: str) -> Path:
    """Folder of a run; raises BadInput for a name that is not a plain folder name."""
    if not RUN_NAME.fullmatch(name):
        path = Path(name)
        if (path / "run.db").is_file():
            raise BadInput(f"{name} is a run's folder: name it as {path.name}, with {option('runs', str(path.parent))}")
        raise BadInput(
            f"run name {name!r} cannot be used: letters, digits, '.', '_' and '-' only, "
            "starting with a letter or digit, 100 characters at most"
        )
    return runs / name


def database_of(runs: Path, name: str) -> Path:
    """Path of an existing run's database; raises BadInput listing the available runs."""
    path = run_folder(runs, name) / "run.db"
    if not path.is_file():
        raise no_run(name, [runs])
    return path


def no_run(name: str, folders: Sequence[Path]) -> BadInput:
    """The error of a run that none of these folders has; it lists the runs that they have."""
    existing = sorted({path.parent.name for runs in folders for path in runs.glob("*/run.db")})
    known = f"; runs there: {', '.join(existing[:20])}" if existing else ""
    return BadInput(f"no run {name!r} in {' or '.join(map(str, folders))}{known}")


def owner_of(folder: Path) -> int | None:
    """Id of the process that holds a run's lock, or None."""
    try:
        with open(folder / "run.lock", "rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read(100) or 0)
    except OSError:
        pass
    return None


def state_to_show(state: str, owner: int | None) -> str:
    """The state of a task; one that the journal has as running was interrupted if no process holds the run's lock."""
    return "interrupted" if state == "running" and owner is None else state


class RunLock:
    """Lock of the one process that writes to a run; the operating system releases it when that process ends."""

    def __init__(self, folder: Path) -> None:
        """Take the lock; raises RunBusy naming the process that holds it."""
        path = folder / "run.lock"
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        if not self._take():
            owner = os.read(self._file, 100).decode(errors="replace").strip() or "unknown"
            os.close(self._file)
            if owner == str(os.getpid()):
                raise RunBusy(f"this process is working on the run in {folder} already; wait for that session to end")
            raise RunBusy(f"process {owner} is working on the run in {folder}; wait for it to end, or stop it")
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)

    def _take(self) -> bool:
        for wait in (0.05, 0.2, None):  # `owner_of` holds it for a moment, to test whether it is free.
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if wait is not None:
                    time.sleep(wait)
        return False

    def release(self) -> None:
        """Release the lock; calling twice is allowed."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def make_private_folder(folder: Path) -> list[Path]:
    """Create a run's folder, readable by its owner only and ignored by git; raises JournalError if that fails.

    Returns the folders that had to be made, the run's own first.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        if not (folder / IGNORE).exists():
            write_whole(folder / IGNORE, "*\n", mode=0o600)
        return made
    except OSError as error:
        raise JournalError(
            f"cannot create the run's folder {folder}: {error.strerror}; choose another with {option('runs', 'FOLDER')}"
        ) from None


def remove_begun(folder: Path, made: Iterable[Path]) -> None:
    """Remove a run that has not begun. `made`: what `make_private_folder` returned; other folders are kept."""
    for name in ("run.db", "run.db-wal", "run.db-shm", "run.lock", IGNORE):
        (folder / name).unlink(missing_ok=True)
    if folder in made:
        shutil.rmtree(folder)
    with suppress(OSError):  # Another run may have begun beside it.
        for path in [path for path in made if path != folder]:
            path.rmdir()


def connect_to_write(path: Path) -> sqlite3.Connection:
    """Open a run's database and migrate its schema; an older one is backed up first, beside the original.

    Raises CorruptJournal, NewerJournal, JournalError.
    """
    try:
        with ExitStack() as on_failure:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            # Legacy transaction control without implicit BEGIN: every write transaction here begins IMMEDIATE.
            connection = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
            on_failure.callback(connection.close)
            # Not the file's size: a process that was killed as it began a run leaves a database with nothing in it.
            existed = connection.execute("SELECT 1 FROM sqlite_master").fetchone() is not None
            applied = check_schema(connection, path) if existed else None
            connection.execute("PRAGMA journal_mode = WAL")
            # FULL: a paid answer must survive a power failure, not just a crash of the process.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            if applied != KNOWN_MIGRATIONS:
                from codemonkeys.journal import schema

                if existed:
                    back_up(connection, path)
                schema.migrate(connection)
            on_failure.pop_all()
            return connection
    except OSError as error:
        raise JournalError(f"cannot write {path}: {error.strerror}") from None
    except sqlite3.OperationalError as error:
        raise JournalError(
            f"cannot write {path}: {error}; free some disk space or check the folder's permissions"
        ) from None
    except UNREADABLE as error:
        raise corrupt(path, str(error)) from None


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A read-only connection, which does not wait for writers."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A run's database, opened read-only; others may write meanwhile. Raises CorruptJournal, NewerJournal."""
    try:
        with closing(connect_to_read(path)) as connection:
            connection.row_factory = sqlite3.Row
            check_schema(connection, path)
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'costs'").fetchone():
                # Written by an older version; a reader does not migrate it.
                connection.execute("CREATE TEMP VIEW costs AS SELECT * FROM calls")
            if not connection.execute("SELECT 1 FROM run").fetchone():
                raise not_begun(path)
            yield connection
    except (*UNREADABLE, json.JSONDecodeError) as error:
        raise corrupt(path, str(error)) from None


def check_schema(connection: sqlite3.Connection, path: Path) -> frozenset[str]:
    """Names of a run database's migrations. Raises CorruptJournal if it is none, NewerJournal if it has others too."""
    table = connection.execute("SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'").fetchone()
    if table is None:
        is_empty = connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None
        raise not_begun(path) if is_empty else corrupt(path, "it holds no run")
    query = "SELECT name FROM _sqlite_migrations WHERE migration_set = 'codemonkeys'"
    applied = frozenset(row[0] for row in connection.execute(query))
    if not applied:
        raise corrupt(path, "it holds no run")
    newer = sorted(applied - KNOWN_MIGRATIONS)
    if newer:
        raise NewerJournal(f"{path} was written by a newer codemonkeys (it has {', '.join(newer)}); upgrade to open it")
    return applied


KNOWN_MIGRATIONS = frozenset(
    {
        *("m001_initial", "m002_verdicts", "m003_evidence", "m004_bill", "m005_standing", "m006_overruns"),
        *("m007_controls", "m008_reasoning", "m009_windows", "m010_costs", "m011_batches", "m012_choices"),
        *("m013_sessions", "m014_matches", "m015_tool_calls", "m016_nodes"),
        "m017_packed_texts",
    }
)
"""Names of `schema.migrations()`, repeated here so that readers need not import sqlite-utils; a test compares them."""


def back_up(connection: sqlite3.Connection, path: Path) -> None:
    """Back up a database beside the original, write-ahead log included, before a migration."""
    copy = path.with_name(f"{path.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    if shutil.disk_usage(path.parent).free < 2 * path.stat().st_size:
        raise JournalError(f"not enough disk space to back up {path} before migrating its schema; free some")
    os.close(os.open(copy, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    target = sqlite3.connect(copy)
    with target:
        connection.backup(target)
    target.close()


def not_begun(path: Path) -> CorruptJournal:
    """The error for the database of a run that a process begins, or was killed as it began."""
    return CorruptJournal(
        f"the run in {path.parent} has not begun, and holds nothing yet: if no process begins it now, "
        f"begin it with {option('name', path.parent.name)}, or remove that folder"
    )


def corrupt(path: Path, what: str) -> CorruptJournal:
    """The error for a file that cannot be read as a run; the file is left unchanged."""
    return CorruptJournal(
        f"{path} cannot be read as a run: {what}. It was left unchanged. "
        f"Recover what you can with: sqlite3 {path} .recover, or start a run under another name"
    )

"""Indexes of all texts of runs, in the cache folder: a run's own file is never written.

An index is built in the background and brought up to date whenever it is asked for. It names for each text the first
place in which it stands, and can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from codemonkeys.errors import CodeMonkeysError
from codemonkeys.journal import run_files, texts
from codemonkeys.journal.queries import rows, run_row

SCHEMA = """
CREATE TABLE IF NOT EXISTS texts (
    id INTEGER PRIMARY KEY, hash TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, task TEXT NOT NULL, stage TEXT NOT NULL,
    sample INTEGER NOT NULL, turn INTEGER NOT NULL
);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (content, content = '', tokenize = 'unicode61');
CREATE TABLE IF NOT EXISTS seen (name TEXT PRIMARY KEY, id INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS unanswered (call INTEGER PRIMARY KEY);
"""
KINDS = ("issue", "prompt", "answer", "reasoning", "script", "output", "patch")
AT_ONCE = 200
"""Texts of one transaction."""
MOMENT = 0.15
"""Seconds that a search waits for an index that is being brought up to date."""


class Place(NamedTuple):
    """Where a text stands; numbers as the journal has them."""

    hash: str
    kind: str
    task: str
    stage: str
    sample: int
    turn: int


@dataclass
class Index:
    """The index of one run."""

    run: Path
    """Its database."""
    file: Path
    stop: threading.Event
    work: Future[None] | None = None
    error: str = ""

    @property
    def complete(self) -> bool:
        """Whether nothing is being added."""
        return self.work is not None and self.work.done()

    def wait(self) -> None:
        """Wait a moment: mostly there is little to add."""
        if self.work is not None:
            wait([self.work], MOMENT)

    def update(self) -> None:
        """Add what the run has and the index has not."""
        error = ""
        try:
            with run_files.reading(self.run) as connection:
                try:
                    self._add(connection)
                except (sqlite3.Error, OSError) as trouble:  # Of the index: `reading` would take it for the run's.
                    error = self.unusable(trouble)
        except CodeMonkeysError as unreadable:
            error = str(unreadable)
        self.error = error

    def _add(self, connection: sqlite3.Connection) -> None:
        with closing(self.connect()) as index:
            index.executescript(SCHEMA)
            while not self.stop.is_set() and add_some(connection, index):
                pass

    def unusable(self, error: Exception) -> str:
        """What to tell of an error of the index."""
        return f"{self.file} cannot be used for the search: {error}; it can be deleted, and is then built anew"

    def connect(self) -> sqlite3.Connection:
        """A connection to the index, which only the user can read."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(self.file, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(self.file, isolation_level=None, timeout=30)
        # It can be built again: no need to wait for the disk.
        connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;")
        return connection


@dataclass
class Indexes:
    """The indexes of all runs that are shown; one at a time is built."""

    folder: Path
    _stop: threading.Event = field(default_factory=threading.Event)
    _indexes: dict[str, Index] = field(default_factory=dict)
    _builder: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "index"))

    def of(self, run: Path) -> Index:
        """The index of a run, which begins to be brought up to date. Raises what opening a run raises."""
        with run_files.reading(run) as connection:
            begun = run_row(connection)["created_at"]
        # Another run of that name in that place is another one.
        name = hashlib.sha256(f"{run.absolute()}\n{begun}".encode()).hexdigest()[:32]
        index = self._indexes.setdefault(name, Index(run, self.folder / f"{name}.db", self._stop))
        if index.work is None or index.work.done():
            index.work = self._builder.submit(index.update)
        return index

    def close(self) -> None:
        """Stop building; what is there stays."""
        self._stop.set()
        self._builder.shutdown()


def add_some(connection: sqlite3.Connection, index: sqlite3.Connection) -> bool:
    """Add some texts in one transaction; whether there may be more."""
    index.execute("BEGIN IMMEDIATE")
    try:
        found = list(islice(new_places(connection, index), AT_ONCE))
        for place in found:
            row = index.execute(
                "INSERT OR IGNORE INTO texts (hash, kind, task, stage, sample, turn) VALUES (?, ?, ?, ?, ?, ?)", place
            )
            if row.rowcount:
                content = texts.get(connection, place.hash)
                index.execute("INSERT INTO words (rowid, content) VALUES (?, ?)", (row.lastrowid, content))
        index.execute("COMMIT")
    except BaseException:
        if index.in_transaction:  # On a full disk SQLite has rolled it back itself.
            index.execute("ROLLBACK")
        raise
    return len(found) == AT_ONCE


def new_places(connection: sqlite3.Connection, index: sqlite3.Connection) -> Iterator[Place]:
    """Texts that are not in the index, with where they stand. What is fully handed out is marked as seen."""

    def is_new(place: Place) -> bool:
        return index.execute("SELECT 1 FROM texts WHERE hash = ?", (place.hash,)).fetchone() is None

    for source in (issues, calls, executions, candidates):
        yield from filter(is_new, source(connection, index))


def issues(connection: sqlite3.Connection, index: sqlite3.Connection) -> Iterator[Place]:
    """The issues of all tasks."""
    for row in rows(connection, "SELECT id, issue_hash FROM tasks ORDER BY position"):
        yield Place(row["issue_hash"], "issue", row["id"], "", 0, 0)


def calls(connection: sqlite3.Connection, index: sqlite3.Connection) -> Iterator[Place]:
    """Messages and answers of calls that are new, or had no answer before."""
    open_before = [row[0] for row in index.execute("SELECT call FROM unanswered")]
    query = "SELECT * FROM call_steps WHERE id > ? OR id IN (SELECT value FROM json_each(?)) ORDER BY id"
    for row in connection.execute(query, (last_seen(index, "call"), json.dumps(open_before))):
        where = row["task"], row["stage"], row["sample"], row["turn"]
        for _, digest in json.loads(row["request"])["messages"]:
            yield Place(digest, "prompt", *where)
        for kind, column in (("answer", "answer_hash"), ("answer", "tool_calls_hash"), ("reasoning", "reasoning_hash")):
            if column in row.keys() and row[column] is not None:
                yield Place(row[column], kind, *where)
        if row["state"] == "started":
            index.execute("INSERT OR IGNORE INTO unanswered VALUES (?)", (row["id"],))
        else:
            index.execute("DELETE FROM unanswered WHERE call = ?", (row["id"],))
        see(index, "call", row["id"])


def executions(connection: sqlite3.Connection, index: sqlite3.Connection) -> Iterator[Place]:
    """Scripts, patches and outputs of executions that are new."""
    query = (
        "SELECT id, task, stage, sample, turn, script_hash, patch_hash, output_hash FROM execution_steps "
        "WHERE id > ? ORDER BY id"
    )
    for row in connection.execute(query, (last_seen(index, "execution"),)):
        where = row["task"], row["stage"], row["sample"], row["turn"]
        for kind in ("script", "patch", "output"):
            if row[f"{kind}_hash"] is not None:
                yield Place(row[f"{kind}_hash"], kind, *where)
        see(index, "execution", row["id"])


def candidates(connection: sqlite3.Connection, index: sqlite3.Connection) -> Iterator[Place]:
    """Patches of candidates, of which an ensemble may have executed none."""
    for row in rows(connection, "SELECT task, sample, patch_hash FROM candidates ORDER BY task, number"):
        yield Place(row["patch_hash"], "patch", row["task"], "candidates", row["sample"], 0)


def last_seen(index: sqlite3.Connection, name: str) -> int:
    """Number of the last row of a table that is in the index."""
    row = index.execute("SELECT id FROM seen WHERE name = ?", (name,)).fetchone()
    return 0 if row is None else int(row[0])


def see(index: sqlite3.Connection, name: str, id: int) -> None:
    """Remember that a row is in the index."""
    index.execute(
        "INSERT INTO seen VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET id = max(id, excluded.id)", (name, id)
    )

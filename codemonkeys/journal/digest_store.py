"""Digest store: short file summaries, generated once by a model and shared by all tasks and runs."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from codemonkeys.errors import JournalError

KEYS_PER_QUERY = 500


class DigestStore:
    """Digests by key. A stored digest never changes, so a resumed run sees what it saw before.

    Used from one thread; several processes may share the file. Every method raises JournalError if the file cannot be
    read or written.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the store."""
        self._path = path
        self.pending: dict[str, asyncio.Event] = {}
        """Keys of digests that a task of this process is generating, each with an event set when it is done."""
        with self._translate_errors():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=30)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("CREATE TABLE IF NOT EXISTS digests (key TEXT PRIMARY KEY, text TEXT NOT NULL)")

    def get(self, keys: Iterable[str]) -> dict[str, str]:
        """The stored digests among these keys."""
        unique = list(dict.fromkeys(keys))
        found: dict[str, str] = {}
        with self._translate_errors():
            for start in range(0, len(unique), KEYS_PER_QUERY):
                batch = unique[start : start + KEYS_PER_QUERY]
                marks = ", ".join("?" * len(batch))
                found |= self._connection.execute(f"SELECT key, text FROM digests WHERE key IN ({marks})", batch)
        return found

    def put(self, texts: Mapping[str, str]) -> None:
        """Store digests whose key is not stored yet."""
        with self._translate_errors():
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR IGNORE INTO digests VALUES (?, ?)", texts.items())
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise JournalError(
                f"the digest store {self._path} cannot be used: {error}. Free some disk space, set context.digests "
                "to another file, or delete this one: digests are then generated again"
            ) from None

"""The store of digests: what files are about, made once by a model and shared by all tasks and runs."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from codemonkeys.errors import JournalError

PIECE = 500
"""Keys asked for in one query."""


class DigestStore:
    """Texts by key. A text never changes once it is there, so that a resumed run meets what it met before.

    Used from one thread; several processes may share the file. Every method raises JournalError for a file that cannot
    be read or written.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the store."""
        self._path = path
        self.making: dict[str, asyncio.Event] = {}
        """Keys that some task of this process is having made now, and what tells its end."""
        with self._failing():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=30)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("CREATE TABLE IF NOT EXISTS digests (key TEXT PRIMARY KEY, text TEXT NOT NULL)")

    def get(self, keys: Iterable[str]) -> dict[str, str]:
        """The texts there are, by key."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, str] = {}
        with self._failing():
            for at in range(0, len(wanted), PIECE):
                piece = wanted[at : at + PIECE]
                marks = ", ".join("?" * len(piece))
                found |= self._connection.execute(f"SELECT key, text FROM digests WHERE key IN ({marks})", piece)
        return found

    def put(self, texts: Mapping[str, str]) -> None:
        """Store texts whose key is not there yet."""
        with self._failing():
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany("INSERT OR IGNORE INTO digests VALUES (?, ?)", texts.items())
            self._connection.execute("COMMIT")

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            raise JournalError(
                f"the store of digests {self._path} cannot be used: {error}. Free some disk space, name another file "
                "by the setting context.digests, or delete it: digests are then made again"
            ) from None

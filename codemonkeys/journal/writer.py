"""Short write transactions on a run's database; steps that end at one time share a commit."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

from codemonkeys.errors import JournalError

T = TypeVar("T")


def now() -> str:
    """The time as the journal writes it: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Stored:
    """What the journal holds under a step's key."""

    id: int
    request_hash: str


class Writer:
    """The one connection that writes to a run, used from one thread."""

    def __init__(
        self, connection: sqlite3.Connection, run: str, folder: Path, reader: sqlite3.Connection | None = None
    ) -> None:
        """`reader`: a second connection that never waits for a commit; without it all reads do."""
        self.connection = connection
        self.reader = reader or connection
        self.run = run
        self.folder = folder
        self.on_loss: Callable[[], None] = lambda: None
        """Called when changes that were made are not in the database after all."""
        self._lock = RLock()
        self._waiting: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []
        self._committing: asyncio.Task[None] | None = None
        # Only COMMIT, which waits for the disk, runs here: the event loop goes on meanwhile.
        self._disk = ThreadPoolExecutor(1, "journal")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, committed at the end or not at all; raises JournalError, as when the disk is full.

        While a shared commit is under way this is a part of the next one, all the same all or nothing.
        """
        with self._lock:
            shared = self.connection.in_transaction
            try:
                self.connection.execute("SAVEPOINT step" if shared else "BEGIN IMMEDIATE")
                try:
                    yield self.connection
                    self.connection.execute("RELEASE step" if shared else "COMMIT")
                except BaseException:
                    if self.connection.in_transaction:
                        self.connection.execute("ROLLBACK TO step" if shared else "ROLLBACK")
                    raise
            except sqlite3.OperationalError as error:
                self.on_loss()
                raise self._failure(error) from None

    async def together(self, change: Callable[[], T]) -> T:
        """Make a change that uses `writing`, durable when this returns; changes made at one time share a commit.

        Raises what `change` raises, and JournalError.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._waiting.append((change, done))
        if self._committing is None:
            self._committing = loop.create_task(self._commit())
        return await done

    async def _commit(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                outcomes: list[Any] = []
                try:
                    self._make(batch, outcomes)
                    await loop.run_in_executor(self._disk, self._end_transaction)
                except sqlite3.OperationalError as error:
                    self.on_loss()
                    outcomes = [self._failure(error)] * len(batch)
                for (_, done), outcome in zip(batch, outcomes, strict=True):
                    if done.cancelled():
                        continue
                    if isinstance(outcome, BaseException):
                        done.set_exception(outcome)
                    else:
                        done.set_result(outcome)
        finally:
            self._committing = None

    def _make(self, batch: list[tuple[Callable[[], Any], asyncio.Future[Any]]], outcomes: list[Any]) -> None:
        """Begin a transaction and make all changes in it, each for itself."""
        with self._lock:
            self.connection.execute("BEGIN IMMEDIATE")
            for change, _ in batch:
                try:
                    outcomes.append(change())
                except Exception as error:
                    outcomes.append(error)
                if not self.connection.in_transaction:
                    # SQLite gives up a whole transaction where there is no room: all of the batch is lost.
                    raise sqlite3.OperationalError(str(outcomes[-1]))

    def _end_transaction(self) -> None:
        with self._lock:
            try:
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def _failure(self, error: sqlite3.OperationalError) -> JournalError:
        return JournalError(
            f"cannot write the journal in {self.folder}: {error}. Everything before this step is kept; "
            f"free some disk space, then: codemonkeys resume {self.run}"
        )

    def close(self) -> None:
        """Commit what is under way and close the connections; calling twice is allowed."""
        self._disk.shutdown()
        for connection in {id(c): c for c in (self.reader, self.connection)}.values():
            connection.close()

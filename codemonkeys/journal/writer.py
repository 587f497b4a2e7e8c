"""Short write transactions on a run's database, with group commit for concurrent steps."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, TypeVar

from codemonkeys.errors import JournalError
from codemonkeys.journal.similar import SimilarTexts
from codemonkeys.wording import resume, select_on

T = TypeVar("T")

GATHERING = 3
"""Turns of the event loop in which further changes join a commit: while much goes on, each brings some, and a commit
costs the same CPU time for one as for many; while nothing does, they take no time."""
PATIENCE = 0.02
"""Seconds that a patient change waits for others to share its commit."""


@dataclass(frozen=True)
class Stored:
    """A stored step: its row id and the hash of its request."""

    id: int
    request_hash: str


class KeyIndex:
    """Negative cache of the keys of steps or notes: a key that is not in it is not in the journal either."""

    def __init__(self, reader: sqlite3.Connection, query: str) -> None:
        """`query` selects all stored keys of a task, without the task's id."""
        self._reader = reader
        self._query = query
        self._keys: dict[str, set[tuple[Any, ...]]] = {}

    def of(self, task: str) -> set[tuple[Any, ...]]:
        """The keys of a task, read once; the caller adds each key before it stores it."""
        if task not in self._keys:
            self._keys[task] = set(self._reader.execute(self._query, (task,)))
        return self._keys[task]

    def forget(self, task: str) -> None:
        """Free the memory for a task; its keys are read again if it is asked for."""
        self._keys.pop(task, None)


class Writer:
    """The one connection that writes to a run, used from one thread."""

    def __init__(
        self, connection: sqlite3.Connection, run: str, folder: Path, reader: sqlite3.Connection | None = None
    ) -> None:
        """`reader`: a second connection, whose reads do not wait for commits."""
        self.connection = connection
        self.reader = reader or connection
        self.run = run
        self.folder = folder
        self.choice = ""
        """The named choice that this session makes; empty where it is the run itself."""
        self.similar = SimilarTexts()
        """What messages, and outputs of the same scripts, are compressed against."""
        self.on_rollback: Callable[[], None] = lambda: None
        """Called after changes have been rolled back."""
        self._lock = RLock()
        self._in_batch = False
        """Whether the changes of a group commit are being applied."""
        self._waiting: list[tuple[Callable[[], Any], asyncio.Future[Any]]] = []
        self._in_a_hurry = False
        """Whether any of these is not to wait for others."""
        self._committing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        """When patient changes are committed, if no other commit takes them along."""
        self._timed_in: asyncio.AbstractEventLoop | None = None
        """The loop of that: it may have been closed before."""
        # Only COMMIT, which waits for the disk, runs here, so that it does not block the event loop.
        self._disk = ThreadPoolExecutor(1, "journal")

    def how_to_go_on(self, more: str = "") -> str:
        """How the user goes on with what this session does, to stand within a sentence. `more`: what to give."""
        return select_on(self.run, self.choice, more) if self.choice else resume(self.run, more)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, committed at the end or rolled back; raises JournalError, for instance on a full disk.

        Within `group_commit` it is part of the shared transaction.
        """
        with self._lock:
            if self._in_batch:
                yield self.connection
                return
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
                self.on_rollback()
                raise self._failure(error) from None

    async def group_commit(self, change: Callable[[], T], *, patient: bool = False) -> T:
        """Make a change that uses `writing`, durable on return; concurrent changes share a commit.

        `patient`: wait a moment for others, as a commit takes as much for one as for ten. Raises what `change` raises,
        and JournalError.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((change, done))
        self._in_a_hurry |= not patient
        self._commit_soon()
        return await done

    def _commit_soon(self) -> None:
        """Commit what waits, at once or in a moment."""
        loop = asyncio.get_running_loop()
        if self._committing is not None or not self._waiting:
            return
        if self._in_a_hurry:
            self._begin_commit()
        elif self._timer is None or self._timed_in is not loop:
            self._timer, self._timed_in = loop.call_later(PATIENCE, self._begin_commit), loop

    def _begin_commit(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._committing is None:
            self._committing = asyncio.get_running_loop().create_task(self._commit())

    async def _commit(self) -> None:
        try:
            while self._waiting:
                for _ in range(GATHERING):
                    await asyncio.sleep(0)
                batch, self._waiting, self._in_a_hurry = self._waiting, [], False
                outcomes = await self._carry_out([change for change, _ in batch])
                for (_, done), outcome in zip(batch, outcomes, strict=True):
                    if done.cancelled():
                        continue
                    if isinstance(outcome, Exception):
                        done.set_exception(outcome)
                    else:
                        done.set_result(outcome)
                if not self._in_a_hurry:
                    break
        finally:
            self._committing = None
        self._commit_soon()

    async def _carry_out(self, changes: list[Callable[[], Any]]) -> list[Any]:
        """Make changes in one commit; returns what each returned or raised.

        Whatever fails is returned so: nobody else would tell those that wait.
        """
        try:
            try:
                outcomes = self._apply(changes)
                if self.connection.in_transaction:
                    await asyncio.get_running_loop().run_in_executor(self._disk, self._end_transaction)
                return outcomes
            except Exception:
                self.on_rollback()
                raise
        except sqlite3.OperationalError as error:
            return [self._failure(error)] * len(changes)
        except Exception as error:
            return [error] * len(changes)

    def _apply(self, changes: list[Callable[[], Any]]) -> list[Any]:
        """Apply all changes in one transaction, which is left open; returns what each returned or raised.

        If a change raises after writing, the transaction is rolled back and the others are applied again without it.
        """
        outcomes: dict[int, Any] = {}
        with self._lock:
            while True:
                self.connection.execute("BEGIN IMMEDIATE")
                self._in_batch = True
                try:
                    for number, change in enumerate(changes):
                        if not isinstance(outcomes.get(number), Exception):
                            before = self.connection.total_changes
                            try:
                                outcomes[number] = change()
                            except sqlite3.OperationalError:
                                raise
                            except Exception as error:
                                outcomes[number] = error
                                if self.connection.total_changes != before:
                                    break
                    else:
                        return [outcomes[number] for number in range(len(changes))]
                except BaseException:
                    if self.connection.in_transaction:
                        self.connection.execute("ROLLBACK")
                    raise
                finally:
                    self._in_batch = False
                self.connection.execute("ROLLBACK")
                self.on_rollback()

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
            f"cannot write the journal in {self.folder}: {error}. Everything up to this step is stored; "
            f"free some disk space, then {self.how_to_go_on()}"
        )

    def close(self) -> None:
        """Finish pending commits and close the connections; calling twice is allowed."""
        self._disk.shutdown()
        for connection in {id(c): c for c in (self.reader, self.connection)}.values():
            connection.close()

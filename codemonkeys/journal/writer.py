"""Short write transactions on a run's database."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from codemonkeys.errors import JournalError


def now() -> str:
    """The time as the journal writes it: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass(frozen=True)
class Stored:
    """What the journal holds under a step's key."""

    id: int
    request_hash: str


@dataclass(frozen=True)
class Writer:
    """The one connection that writes to a run."""

    connection: sqlite3.Connection
    run: str
    folder: Path

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, committed at the end or not at all; raises JournalError, as when the disk is full.

        Within another one it is a part of that.
        """
        within = self.connection.in_transaction
        if within:
            yield self.connection
            return
        try:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield self.connection
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            raise JournalError(
                f"cannot write the journal in {self.folder}: {error}. Everything before this step is kept; "
                f"free some disk space, then: codemonkeys resume {self.run}"
            ) from None

"""Batches in the journal: recorded before they are submitted, so that none is submitted twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from codemonkeys.journal.settlement import NOT_SENT
from codemonkeys.journal.times import now
from codemonkeys.journal.writer import Stored, Writer
from codemonkeys.keys import StepKey

WAITING = 0
"""Number of the batch of a call that waits for one to be submitted."""


@dataclass(frozen=True)
class StoredBatch:
    """A batch that was submitted, or may have been."""

    number: int
    tag: str
    provider_id: str | None
    """None while the provider has not told one."""
    calls: int
    submitted_at: str


class StoredBatches:
    """The batches of one run."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._left: dict[tuple[object, ...], Stored] = {}

    def read_left(self) -> bool:
        """Read which calls earlier sessions have left in batches; whether others were never sent, and cost nothing."""
        with self._writer.writing() as connection:
            unsent = connection.execute(
                "UPDATE call_steps SET state = 'failed', error = ?, reserved_usd = 0, ended_at = ? "
                "WHERE state = 'started' AND batch = ?",
                (NOT_SENT, now(), WAITING),
            )
        rows = self._writer.connection.execute(
            "SELECT task, stage, sample, turn, id, request_hash FROM call_steps "
            "WHERE state = 'started' AND batch > 0 ORDER BY id"
        )
        self._left = {tuple(key): Stored(id, request_hash) for *key, id, request_hash in rows}
        return unsent.rowcount > 0

    def holds(self, key: StepKey) -> bool:
        """Whether an earlier session left the call of a step in a batch."""
        return key[:4] in self._left

    def leave(self, key: StepKey, stored: Stored) -> None:
        """The call of a step stays in a batch when a session ends."""
        self._left[key[:4]] = stored

    def take(self, key: StepKey) -> Stored | None:
        """The call of a step that an earlier session left in a batch; each is returned once."""
        return self._left.pop(key[:4], None)

    def of_call(self, step: int) -> StoredBatch | None:
        """The batch that a call is in; None while it waits for one."""
        row = self._writer.connection.execute(
            "SELECT b.id, b.tag, b.provider_id, b.calls, b.submitted_at FROM call_steps c "
            "JOIN batches b ON b.id = c.batch WHERE c.id = ?",
            (step,),
        ).fetchone()
        return None if row is None else StoredBatch(*row)

    def of_number(self, number: int) -> StoredBatch:
        """A batch that was recorded."""
        query = "SELECT id, tag, provider_id, calls, submitted_at FROM batches WHERE id = ?"
        return StoredBatch(*self._writer.connection.execute(query, (number,)).fetchone())

    def provider_ids(self) -> frozenset[str]:
        """What providers call the batches of this run."""
        rows = self._writer.connection.execute("SELECT provider_id FROM batches WHERE provider_id IS NOT NULL")
        return frozenset(id for (id,) in rows)

    def begin(self, tag: str, model: str, steps: Sequence[int], factors: tuple[float, float]) -> StoredBatch:
        """Record that calls are being submitted as a batch. `factors`: prices of prompt and completion in it."""
        at = now()
        with self._writer.writing() as connection:
            cursor = connection.execute(
                "INSERT INTO batches (tag, model, state, calls, prompt_factor, completion_factor, submitted_at) "
                "VALUES (?, ?, 'submitting', ?, ?, ?, ?)",
                (tag, model, len(steps), *factors, at),
            )
            number = cursor.lastrowid
            assert number is not None
            connection.executemany("UPDATE call_steps SET batch = ? WHERE id = ?", [(number, step) for step in steps])
        return StoredBatch(number, tag, None, len(steps), at)

    def submitted(self, number: int, provider_id: str) -> None:
        """The provider has it."""
        self._update(number, "state = 'pending', provider_id = ?", provider_id)

    def progressed(self, number: int, words: str) -> None:
        """How far it is, for those who read the run."""
        self._update(number, "progress = ?", words)

    def withdraw(self, number: int, why: str) -> None:
        """The provider does not have it, for certain: its calls wait for another batch."""
        with self._writer.writing() as connection:
            connection.execute(
                "UPDATE call_steps SET batch = ? WHERE batch = ? AND state = 'started'", (WAITING, number)
            )
            self._update(number, "state = 'withdrawn', progress = ?, ended_at = ?", why, now())

    def end(self, number: int, words: str) -> None:
        """It has ended; calls of it whose answers are not stored yet can still be collected."""
        self._update(number, "state = 'ended', progress = ?, ended_at = ?", words, now())

    def _update(self, number: int, change: str, *values: object) -> None:
        with self._writer.writing() as connection:
            connection.execute(f"UPDATE batches SET {change} WHERE id = ?", (*values, number))

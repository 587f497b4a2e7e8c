"""Model calls in the journal: reserved before they go out, kept for good once answered."""

from __future__ import annotations

import json

from codemonkeys.errors import BudgetReached
from codemonkeys.journal import texts
from codemonkeys.journal.writer import Stored, Writer, now
from codemonkeys.models.base import Completion, Request, StepKey, Usage


class Calls:
    """The model calls of one run, and what they cost."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def give_up_started(self) -> None:
        """What a dead process had in flight may have been billed: it stays on the bill at its upper bound."""
        with self._writer.writing() as connection:
            connection.execute("UPDATE call_steps SET state = 'lost' WHERE state = 'started'")

    def stored(self, key: StepKey) -> Stored | None:
        """The answered call under a key, if there is one."""
        row = self._writer.connection.execute(
            "SELECT id, request_hash FROM call_steps "
            "WHERE task = ? AND stage = ? AND sample = ? AND turn = ? AND state = 'done'",
            key[:4],
        ).fetchone()
        return None if row is None else Stored(*row)

    def answer(self, stored: Stored) -> Completion:
        """The answer of a stored call."""
        row = self._writer.connection.execute(
            "SELECT answer_hash, finish_reason, prompt_tokens, completion_tokens, cache_read_tokens, "
            "cache_write_tokens, usage, answered_by, seconds, attempts FROM call_steps WHERE id = ?",
            (stored.id,),
        ).fetchone()
        answer, finish_reason, prompt, completion, cache_read, cache_write, raw, answered_by, seconds, attempts = row
        usage = None if raw is None else Usage(prompt, completion, cache_read, cache_write, json.loads(raw))
        return Completion(
            texts.get(self._writer.connection, answer), finish_reason, usage, answered_by, seconds, attempts
        )

    def begin(self, request: Request, model: str, upper_bound: float, limit: float | None) -> int:
        """Reserve the most a call can cost and record that it goes out; returns the step's id.

        All in US dollars. Raises BudgetReached if settled, reserved and this call together could pass `limit`.
        """
        with self._writer.writing() as connection:
            if limit is not None:
                spent = connection.execute("SELECT coalesce(sum(cost_usd), 0) FROM calls").fetchone()[0]
                if spent + upper_bound > limit + 1e-9:
                    raise BudgetReached(
                        f"{request.key} could cost up to {upper_bound:.4f} USD, and {spent:.4f} of the {limit:.2f} USD "
                        "it may use are spent or reserved. Raise it with --budget: "
                        f"codemonkeys resume {self._writer.run} --budget USD"
                    )
            messages = [[m.role, texts.put(connection, m.content)] for m in request.messages]
            content = {"messages": messages, "temperature": request.temperature, "max_tokens": request.max_tokens}
            cursor = connection.execute(
                "INSERT INTO call_steps (task, stage, sample, turn, state, request_hash, request, model, "
                "reserved_usd, started_at) VALUES (?, ?, ?, ?, 'started', ?, ?, ?, ?, ?)",
                (*request.key[:4], request.hash(model), json.dumps(content), model, upper_bound, now()),
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid

    def finish(self, step: int, answer: Completion) -> None:
        """Store a paid answer: after this it is never asked for again."""
        with self._writer.writing() as connection:
            u = answer.usage
            usage = (
                (None,) * 5
                if u is None
                else (
                    *(u.prompt_tokens, u.completion_tokens, u.cache_read_tokens, u.cache_write_tokens),
                    json.dumps(dict(u.raw)),
                )
            )
            connection.execute(
                "UPDATE call_steps SET state = 'done', answer_hash = ?, finish_reason = ?, prompt_tokens = ?, "
                "completion_tokens = ?, cache_read_tokens = ?, cache_write_tokens = ?, usage = ?, answered_by = ?, "
                "seconds = ?, attempts = ?, ended_at = ? WHERE id = ?",
                (
                    *(texts.put(connection, answer.text), answer.finish_reason, *usage),
                    *(answer.model, answer.seconds, answer.attempts, now(), step),
                ),
            )

    def fail(self, step: int, error: str, billed: bool) -> None:
        """A call ended without an answer; `billed`: it may have cost money, so its reservation stays on the bill."""
        with self._writer.writing() as connection:
            connection.execute(
                "UPDATE call_steps SET state = 'failed', error = ?, ended_at = ?, "
                "reserved_usd = CASE WHEN ? THEN reserved_usd ELSE 0 END WHERE id = ?",
                (error, now(), billed, step),
            )

    def supersede(self, stored: Stored) -> None:
        """Put a stored answer aside, to ask anew; it stays on the bill."""
        with self._writer.writing() as connection:
            connection.execute("UPDATE call_steps SET state = 'superseded' WHERE id = ?", (stored.id,))

    def spent(self) -> float:
        """US dollars settled and reserved so far."""
        return float(self._writer.connection.execute("SELECT coalesce(sum(cost_usd), 0) FROM calls").fetchone()[0])

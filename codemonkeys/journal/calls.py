"""Model calls in the journal: cost is reserved before a call is sent, and answers are kept for good."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from codemonkeys.errors import BudgetReached
from codemonkeys.journal import texts
from codemonkeys.journal.settlement import NOTHING_KNOWN, TOLERANCE, UNITS_PER_DOLLAR, Settlement, columns_of, to_units
from codemonkeys.journal.times import now
from codemonkeys.journal.writer import KeyIndex, Stored, Writer
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Message, Request, Usage, reason_stored, reason_to_store
from codemonkeys.models.counting import ADDED_TOKENS
from codemonkeys.models.tool_calls import dump_calls, load_calls
from codemonkeys.stages import choice_of
from codemonkeys.wording import option

MESSAGE_CACHE_SIZE = 10_000


class StoredCalls:
    """The model calls of one run, and their costs."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._spent: dict[str, dict[str, int]] = {}
        """Settled and reserved cost by task and stage, in units."""
        self._totals: Counter[str] = Counter()  # of the run and of each named choice, which have budgets of their own
        self._bookings: Counter[str] = Counter()
        self._stored_messages: set[str] = set()
        """Cache of message hashes known to be stored."""
        self._sent: dict[int, tuple[str, str, str, float]] = {}
        """Of calls in flight, by step: task, stage, model, reserved US dollars. What is not in it is read."""
        self._overruns: dict[str, float] = {}
        self._ratios: dict[str, float] = {}
        self._keys = KeyIndex(writer.reader, "SELECT stage, sample, turn FROM call_steps WHERE task = ?")
        writer.on_rollback = self.recompute_totals
        self.recompute_totals()

    def recompute_totals(self) -> None:
        """Recompute all totals, and what is learned of bounds, from the database."""
        self._overruns = dict(self._writer.connection.execute("SELECT model, factor FROM overruns").fetchall())
        self._ratios = dict(self._writer.connection.execute("SELECT model, largest FROM token_ratios").fetchall())
        rows = self._writer.connection.execute("SELECT task, stage, cost_usd FROM costs WHERE cost_usd > 0")
        self._bookings.update(self._spent.keys())
        self._spent.clear()
        self._stored_messages.clear()
        self._sent.clear()
        self._totals.clear()
        sums: Counter[tuple[str, str]] = Counter()
        for task, stage, cost in rows:
            sums[task, stage] += to_units(cost)
        for (task, stage), units in sums.items():
            self._book(task, stage, units)

    def _book(self, task: str, stage: str, amount: int) -> None:
        self._totals[choice_of(stage)] += amount
        self._bookings[task] += 1
        stages = self._spent.setdefault(task, {})
        stages[stage] = stages.get(stage, 0) + amount

    def forget_keys(self, task: str) -> None:
        """Free the memory that a task which has ended takes; what it cost is kept."""
        self._keys.forget(task)

    def mark_started_as_lost(self) -> None:
        """Count calls that a dead process had in flight, alone, at their upper bound: they may have been billed."""
        with self._writer.writing() as connection:
            connection.execute("UPDATE call_steps SET state = 'lost' WHERE state = 'started' AND batch IS NULL")

    def stored(self, key: StepKey) -> Stored | None:
        """The answered call for a key, if there is one."""
        if key[1:4] not in self._keys.of(key.task):
            return None
        row = self._writer.reader.execute(
            "SELECT id, request_hash FROM call_steps "
            "WHERE task = ? AND stage = ? AND sample = ? AND turn = ? AND state = 'done'",
            key[:4],
        ).fetchone()
        return None if row is None else Stored(*row)

    def equal(self, key: StepKey, request_hash: str) -> Stored | None:
        """While a named choice is made: what the run, or another choice, was answered there to the same request."""
        if not self._writer.choice:
            return None
        row = self._writer.reader.execute(
            "SELECT id, request_hash FROM call_steps WHERE task = ? AND sample = ? AND turn = ? AND request_hash = ? "
            "AND state = 'done' ORDER BY id LIMIT 1",
            (key.task, key.sample, key.turn, request_hash),
        ).fetchone()
        return None if row is None else Stored(*row)

    def answer(self, stored: Stored) -> Completion:
        """The answer of a stored call."""
        reader = self._writer.reader
        row = reader.execute(
            "SELECT answer_hash, finish_reason, answered_by, seconds, attempts, reasoning_hash, thinking, "
            "tool_calls_hash, usage, prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens "
            "FROM call_steps WHERE id = ?",
            (stored.id,),
        ).fetchone()
        answer, finish_reason, answered_by, seconds, attempts, reasoning, thinking, calls, raw, *counts = row
        text, called, thought = (texts.get(reader, digest) for digest in (answer, calls, reasoning))
        usage = None if raw is None else Usage(*[*counts, json.loads(raw)])
        about = (reason_stored(finish_reason), usage, answered_by, seconds, attempts)
        return Completion(text, *about, thought, thinking or "", load_calls(called))

    def begin(
        self,
        request: Request,
        model: str,
        upper_bound: float,
        limit: float | None,
        task_limit: float | None = None,
        batch: int | None = None,
    ) -> int:
        """Reserve a call's upper bound and record that the call is sent; returns the step's id.

        `batch`: 0 where it waits for one. All amounts in US dollars. Raises BudgetReached if this call could take
        settled plus reserved costs over `limit`, or those of its task over `task_limit`.
        """
        task, bound = request.key.task, to_units(upper_bound)
        for cap, spent, parameter in (
            (limit, self._totals[self._writer.choice], "budget"),
            (task_limit, 0 if task_limit is None else self._of_task(task), "task_budget"),
        ):
            if cap is not None and spent + bound > to_units(cap) + TOLERANCE:
                raise BudgetReached(
                    f"{request.key} could cost up to {upper_bound:.4f} USD, and {spent / UNITS_PER_DOLLAR:.4f} of the "
                    f"{max(cap, 0.0):.2f} USD it may use are spent or reserved. To raise it, "
                    f"{self._writer.how_to_go_on(option(parameter, 'USD'))}"
                )
        self._keys.of(task).add(request.key[1:4])
        with self._writer.writing() as connection:
            messages = [[m.role, self._put(connection, m)] for m in request.messages]
            content: dict[str, object] = {"messages": messages, "temperature": request.temperature}
            content["max_tokens"] = request.max_tokens
            if given := request.parameters.given():
                content["parameters"] = given
            if signed := [position for position, message in enumerate(request.messages) if message.thinking]:
                content["thinking"] = signed
            if request.tools:
                content["tools"] = texts.put(connection, request.described_tools)
            cursor = connection.execute(
                "INSERT INTO call_steps (task, stage, sample, turn, state, request_hash, request, model, "
                "reserved_usd, started_at, batch) VALUES (?, ?, ?, ?, 'started', ?, ?, ?, ?, ?, ?)",
                (*request.key[:4], request.hash(model), json.dumps(content), model, upper_bound, now(), batch),
            )
        self._book(task, request.key.stage, bound)
        assert cursor.lastrowid is not None
        self._sent[cursor.lastrowid] = task, request.key.stage, model, upper_bound
        return cursor.lastrowid

    def _put(self, connection: sqlite3.Connection, message: Message) -> str:
        """Store a message unless it is stored already; returns its hash."""
        if message.digest not in self._stored_messages:
            data = message.content.encode("utf-8", "replace")
            texts.put_bytes(connection, message.digest, data, similar=self._writer.similar)
            if len(self._stored_messages) == MESSAGE_CACHE_SIZE:
                self._stored_messages.clear()
            self._stored_messages.add(message.digest)
        return message.digest

    def overrun(self, model: str) -> float:
        """By how much calls of a model have cost more than their upper bounds, at most; 1.0 if they never have."""
        return self._overruns.get(model, 1.0)

    def token_ratio(self, model: str) -> float | None:
        """The most tokens that a model's provider has counted for one of ours; None before its first answer."""
        return self._ratios.get(model)

    def finish(self, step: int, answer: Completion, bill: Settlement = NOTHING_KNOWN) -> None:
        """Settle a call and store its answer: the step is never requested again."""
        with self._writer.writing() as connection, self._settling(step, bill) as model:
            connection.execute(
                "UPDATE call_steps SET state = 'done', answer_hash = ?, finish_reason = ?, prompt_tokens = ?, "
                "completion_tokens = ?, cache_read_tokens = ?, cache_write_tokens = ?, usage = ?, answered_by = ?, "
                "seconds = ?, attempts = ?, reasoning_hash = ?, tool_calls_hash = ?, thinking = ?, ended_at = ?, "
                "cost_usd = ?, counted_tokens = ? WHERE id = ?",
                (
                    *(texts.put(connection, answer.text), reason_to_store(answer.finish_reason)),
                    *columns_of(answer.usage),
                    *(answer.model, answer.seconds, answer.attempts),
                    texts.put(connection, answer.reasoning) if answer.reasoning else None,
                    texts.put(connection, dump_calls(answer.calls)) if answer.calls else None,
                    *(answer.thinking or None, now(), bill.cost, bill.counted, step),
                ),
            )
            self._learn_ratio(connection, model, answer.usage, bill.counted)

    def _learn_ratio(
        self, connection: sqlite3.Connection, model: str, usage: Usage | None, counted: int | None
    ) -> None:
        if usage is None or not counted:
            return
        ratio = max(0, usage.prompt_tokens - ADDED_TOKENS) / counted
        if ratio > self._ratios.get(model, -1.0):
            self._ratios[model] = ratio
            connection.execute(
                "INSERT INTO token_ratios VALUES (?, ?) ON CONFLICT (model) DO UPDATE SET largest = excluded.largest",
                (model, ratio),
            )

    def fail(
        self,
        step: int,
        error: str,
        billed: bool,
        usage: Usage | None = None,
        finish_reason: str | None = None,
        bill: Settlement = NOTHING_KNOWN,
    ) -> None:
        """Record a failed call.

        `billed`: it may have been charged for, so its reservation still counts. `usage`: what the provider counted,
        which is booked instead. `finish_reason`: why an answer that came ended.
        """
        with self._writer.writing() as connection, self._settling(step, bill) as model:
            connection.execute(
                "UPDATE call_steps SET state = 'failed', error = ?, ended_at = ?, finish_reason = ?, "
                "prompt_tokens = ?, completion_tokens = ?, cache_read_tokens = ?, cache_write_tokens = ?, usage = ?, "
                "cost_usd = ?, counted_tokens = ?, reserved_usd = CASE WHEN ? THEN reserved_usd ELSE 0 END "
                "WHERE id = ?",
                (error, now(), finish_reason, *columns_of(usage), bill.cost, bill.counted, billed and not usage, step),
            )
            self._learn_ratio(connection, model, usage, bill.counted)

    def has_usable(self, stage: str) -> bool:
        """Whether any answer of a stage has text and is whole."""
        query = (
            "SELECT 1 FROM call_steps WHERE stage = ? AND state = 'done' AND finish_reason NOT IN ('empty', 'cut', "
            "'broken') LIMIT 1"
        )
        return self._writer.reader.execute(query, (stage,)).fetchone() is not None

    def supersede(self, stored: Stored) -> None:
        """Mark a stored answer as superseded, so that the step is redone; its cost still counts."""
        with self._writer.writing() as connection:
            connection.execute("UPDATE call_steps SET state = 'superseded' WHERE id = ?", (stored.id,))

    @contextmanager
    def _settling(self, step: int, bill: Settlement) -> Iterator[str]:
        """Keep the totals in step with a change of a call's cost, and learn from one that cost more than its bound.

        Yields the call's model.
        """
        query = "SELECT task, stage, model, coalesce(cost_usd, 0) FROM costs WHERE id = ?"
        read = self._writer.connection.execute
        task, stage, model, before = self._sent.pop(step, None) or read(query, (step,)).fetchone()
        yield model
        after = read(query, (step,)).fetchone()[-1] if bill.cost is None else bill.cost
        self._book(task, stage, to_units(after) - to_units(before))
        if 0 < to_units(before) < to_units(after) - TOLERANCE:
            self._learn(model, after / before, max(1.0, after / max(before, bill.bound())))

    def _learn(self, model: str, ratio: float, unexplained: float) -> None:
        """Raise the bounds of a model that cost more than its own: of calls in flight, and of later ones.

        `unexplained`: the part of `ratio` that is not explained by what has been learned of its tokeniser.
        """
        connection = self._writer.connection
        self._overruns[model] = self.overrun(model) * unexplained
        connection.execute(
            "INSERT INTO overruns VALUES (?, ?) ON CONFLICT (model) DO UPDATE SET factor = excluded.factor",
            (model, self._overruns[model]),
        )
        in_flight = "SELECT id, task, stage, reserved_usd FROM call_steps WHERE state = 'started' AND model = ?"
        for other, task, stage, reserved in connection.execute(in_flight, (model,)).fetchall():
            raised = reserved * ratio
            connection.execute("UPDATE call_steps SET reserved_usd = ? WHERE id = ?", (raised, other))
            self._sent.pop(other, None)
            self._book(task, stage, to_units(raised) - to_units(reserved))

    def bookings(self, task: str) -> int:
        """Number of changes to a task's costs in this session."""
        return self._bookings[task]

    def known_cost(self) -> float | None:
        """US dollars of the run, or of the named choice, so far; None if no call of it has a known cost."""
        mine = "SELECT 1 FROM costs WHERE substr(stage, instr(stage || '@', '@') + 1) = ?"
        query = f"SELECT EXISTS ({mine}), EXISTS ({mine} AND cost_usd IS NOT NULL)"
        calls, known = self._writer.connection.execute(query, (self._writer.choice,) * 2).fetchone()
        return self.spent() if known or not calls else None

    def spent(self, task: str | None = None, stage: str | None = None) -> float:
        """US dollars settled and reserved so far, for the run (or the named choice) or a task, in a stage or in all."""
        if stage is not None:
            tasks = self._spent.values() if task is None else [self._spent.get(task, {})]
            return sum(stages.get(stage, 0) for stages in tasks) / UNITS_PER_DOLLAR
        units = self._totals[self._writer.choice] if task is None else self._of_task(task)
        return units / UNITS_PER_DOLLAR

    def _of_task(self, task: str) -> int:
        stages = self._spent.get(task, {})
        return sum(units for stage, units in stages.items() if choice_of(stage) == self._writer.choice)

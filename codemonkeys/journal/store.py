"""The journal: one SQLite file that holds all that a run did, written before anything acts on it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from codemonkeys import __version__
from codemonkeys.errors import BudgetReached, JournalError, RunExists
from codemonkeys.journal import files, texts
from codemonkeys.models.base import Completion, Message, Price, Request, StepKey, Usage
from codemonkeys.tasks.base import Task
from sandboxes.base import Environment, Execution, Limits, Reason, Script


def now() -> str:
    """The time as the journal writes it: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def execution_hash(environment: Environment, script: Script, patch: str | None, limits: Limits) -> str:
    """SHA-256 of all that decides what an execution answers."""
    content = [environment.name, asdict(script), patch, asdict(limits)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Stored:
    """What the journal holds under a step's key."""

    id: int
    request_hash: str


class Journal:
    """The database of one run, open for writing by one process, used from one thread."""

    def __init__(self, runs: Path, name: str, source: str, settings: dict[str, Any]) -> None:
        """Open or create a run.

        `settings` are all settings of the run, JSON-able; those under `operation` may change between two sessions of
        a run, the others decide answers and may not. Raises RunExists when the run was begun with another source or
        other settings, RunBusy, CorruptJournal, NewerJournal, JournalError.
        """
        self.name = name
        self.folder = files.run_folder(runs, name)
        files.make_private_folder(self.folder)
        self._lock = files.RunLock(self.folder)
        try:
            self._database = files.connect_to_write(self.folder / "run.db")
            self._connection: sqlite3.Connection = self._database.conn
            self._begin_run(source, settings)
        except BaseException:
            self.close()
            raise

    def _begin_run(self, source: str, settings: dict[str, Any]) -> None:
        asked = {"source": source, **settings}
        row = self._connection.execute("SELECT source, settings FROM run").fetchone()
        stored = asked if row is None else {"source": row[0], **json.loads(row[1])}
        differing = sorted(k for k in {*stored, *asked} - {"operation"} if stored.get(k) != asked.get(k))
        if differing:
            was, is_now = stored.get(differing[0]), asked.get(differing[0])
            raise RunExists(
                f"run {self.name!r} in {self.folder} was begun with another {', '.join(differing)} "
                f"({differing[0]} was {was!r}, is now {is_now!r}). "
                f"Choose another name with --run, or go on with: codemonkeys resume {self.name}"
            )
        with self.writing() as connection:
            connection.execute(
                "INSERT INTO run VALUES (?, ?, ?, ?, ?) ON CONFLICT (name) DO UPDATE SET settings = excluded.settings",
                (self.name, __version__, now(), source, json.dumps(settings, sort_keys=True)),
            )
            # What a dead process had in flight may have been billed: it stays on the bill at its upper bound.
            connection.execute("UPDATE call_steps SET state = 'lost' WHERE state = 'started'")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One short write transaction, committed at the end or not at all; raises JournalError, for a full disk."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
        except sqlite3.OperationalError as error:
            raise JournalError(
                f"cannot write the journal in {self.folder}: {error}. Everything before this step is kept; "
                f"free some disk space, then: codemonkeys resume {self.name}"
            ) from None

    def close(self) -> None:
        """Close the database and let go of the run."""
        if hasattr(self, "_connection"):
            self._connection.close()
        self._lock.release()

    # Tasks

    def add_tasks(self, tasks: Sequence[Task]) -> None:
        """Record the tasks of the run, in order; those it has stay as they are."""
        with self.writing() as connection:
            for position, task in enumerate(tasks):
                row = (task.id, position, task.repo, task.base_commit, texts.put(connection, task.issue))
                connection.execute(
                    "INSERT INTO tasks (id, position, repo, base_commit, issue_hash) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT (id) DO NOTHING",
                    row,
                )

    def task_state(self, task: str) -> str:
        """`waiting`, `running`, or how the task ended."""
        row = self._connection.execute("SELECT state FROM tasks WHERE id = ?", (task,)).fetchone()
        return str(row[0])

    def begin_task(self, task: str) -> None:
        """The task is being worked on."""
        with self.writing() as connection:
            connection.execute(
                "UPDATE tasks SET state = 'running', reason = '', ended_at = NULL, "
                "started_at = coalesce(started_at, ?) WHERE id = ?",
                (now(), task),
            )

    def end_task(self, task: str, state: str, reason: str, candidate: int | None, patch: str | None) -> None:
        """The task ended: how, why, and with which patch."""
        with self.writing() as connection:
            patch_hash = None if patch is None else texts.put(connection, patch, plain=True)
            connection.execute(
                "UPDATE tasks SET state = ?, reason = ?, candidate = ?, patch_hash = ?, ended_at = ? WHERE id = ?",
                (state, reason, candidate, patch_hash, now(), task),
            )

    def put_candidate(
        self, task: str, number: int, sample: int, patch: str, test: str, approved: bool, duplicate_of: int | None
    ) -> None:
        """Record a candidate under its number; recording it again changes nothing."""
        with self.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO candidates VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    task,
                    number,
                    sample,
                    texts.put(connection, patch, plain=True),
                    texts.put(connection, test, plain=True) if test else None,
                    approved,
                    duplicate_of,
                ),
            )

    def put_note(self, task: str, stage: str, sample: int, kind: str, body: Any) -> None:
        """Record a derived fact for those who read the run later, as JSON: a ranking, a file kept as `maybe`."""
        with self.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?, ?)",
                (task, stage, sample, kind, json.dumps(body)),
            )

    def put_price(self, model: str, price: Price | None) -> None:
        """Record what a model costs, from which money is computed; None: nobody knows, and its calls cost NULL."""
        row = (None,) * 4 if price is None else (price.prompt, price.completion, price.cache_read, price.cache_write)
        with self.writing() as connection:
            # Not REPLACE: it would delete a row that calls refer to.
            connection.execute(
                "INSERT INTO prices VALUES (?, ?, ?, ?, ?) ON CONFLICT (model) DO UPDATE SET "
                "prompt = excluded.prompt, completion = excluded.completion, "
                "cache_read = excluded.cache_read, cache_write = excluded.cache_write",
                (model, *row),
            )

    # Model calls

    def stored_call(self, key: StepKey) -> Stored | None:
        """The answered call under a key, if there is one."""
        row = self._connection.execute(
            "SELECT id, request_hash FROM call_steps "
            "WHERE task = ? AND stage = ? AND sample = ? AND turn = ? AND state = 'done'",
            key[:4],
        ).fetchone()
        return None if row is None else Stored(*row)

    def completion(self, stored: Stored) -> Completion:
        """The answer of a stored call."""
        row = self._connection.execute(
            "SELECT answer_hash, finish_reason, prompt_tokens, completion_tokens, cache_read_tokens, "
            "cache_write_tokens, usage, answered_by, seconds, attempts FROM call_steps WHERE id = ?",
            (stored.id,),
        ).fetchone()
        answer, finish_reason, prompt, completion, cache_read, cache_write, raw, answered_by, seconds, attempts = row
        usage = None if raw is None else Usage(prompt, completion, cache_read, cache_write, json.loads(raw))
        return Completion(texts.get(self._connection, answer), finish_reason, usage, answered_by, seconds, attempts)

    def begin_call(self, request: Request, model: str, upper_bound: float, limit: float | None) -> int:
        """Reserve the most a call can cost and record that it goes out; returns the step's id.

        All in US dollars. Raises BudgetReached if settled, reserved and this call together could pass `limit`.
        """
        with self.writing() as connection:
            if limit is not None:
                spent = connection.execute("SELECT coalesce(sum(cost_usd), 0) FROM calls").fetchone()[0]
                if spent + upper_bound > limit + 1e-9:
                    raise BudgetReached(
                        f"{request.key} could cost up to {upper_bound:.4f} USD, and {spent:.4f} of the {limit:.2f} USD "
                        f"it may use are spent or reserved. Raise --budget and run: codemonkeys resume {self.name}"
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

    def finish_call(self, step: int, answer: Completion) -> None:
        """Store a paid answer: after this it is never asked for again."""
        with self.writing() as connection:
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

    def fail_call(self, step: int, error: str, billed: bool) -> None:
        """A call ended without an answer; `billed`: it may have cost money, so its reservation stays on the bill."""
        with self.writing() as connection:
            connection.execute(
                "UPDATE call_steps SET state = 'failed', error = ?, ended_at = ?, "
                "reserved_usd = CASE WHEN ? THEN reserved_usd ELSE 0 END WHERE id = ?",
                (error, now(), billed, step),
            )

    def supersede_call(self, stored: Stored) -> None:
        """Put a stored answer aside, to ask anew; it stays on the bill."""
        with self.writing() as connection:
            connection.execute("UPDATE call_steps SET state = 'superseded' WHERE id = ?", (stored.id,))

    # Executions

    def stored_execution(self, key: StepKey) -> Stored | None:
        """The finished execution under a key, if there is one."""
        row = self._connection.execute(
            "SELECT id, request_hash FROM execution_steps "
            "WHERE task = ? AND stage = ? AND sample = ? AND turn = ? AND part = ? AND state = 'done'",
            tuple(key),
        ).fetchone()
        return None if row is None else Stored(*row)

    def equal_execution(self, request_hash: str) -> Stored | None:
        """A finished execution of equal arguments, under any key."""
        row = self._connection.execute(
            "SELECT id, request_hash FROM execution_steps WHERE request_hash = ? AND state = 'done' LIMIT 1",
            (request_hash,),
        ).fetchone()
        return None if row is None else Stored(*row)

    def execution(self, stored: Stored) -> Execution:
        """The result of a stored execution."""
        row = self._connection.execute(
            "SELECT reason, exit_code, signal, output_hash, seconds, detail FROM execution_steps WHERE id = ?",
            (stored.id,),
        ).fetchone()
        return Execution(Reason(row[0]), row[1], row[2], texts.get(self._connection, row[3]), row[4], row[5])

    def put_execution(
        self,
        key: StepKey,
        request_hash: str,
        environment: Environment,
        script: Script,
        patch: str | None,
        result: Execution,
        reused: bool,
        attempts: int,
    ) -> None:
        """Store what an execution answered."""
        state = "failed" if result.reason is Reason.SANDBOX_FAILED else "done"
        with self.writing() as connection:
            connection.execute(
                "INSERT INTO execution_steps (task, stage, sample, turn, part, state, request_hash, environment, "
                "script_hash, patch_hash, reason, exit_code, signal, output_hash, detail, reused, attempts, seconds, "
                "ended_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(*key, state, request_hash, environment.name, texts.put(connection, script.text, plain=True)),
                    *(None if patch is None else texts.put(connection, patch, plain=True), str(result.reason)),
                    *(result.exit_code, result.signal, texts.put(connection, result.output), result.detail),
                    *(reused, attempts, result.seconds, now()),
                ),
            )

    def supersede_execution(self, stored: Stored) -> None:
        """Put a stored result aside, to run anew."""
        with self.writing() as connection:
            connection.execute("UPDATE execution_steps SET state = 'superseded' WHERE id = ?", (stored.id,))

    def spent(self) -> float:
        """US dollars settled and reserved so far."""
        return float(self._connection.execute("SELECT coalesce(sum(cost_usd), 0) FROM calls").fetchone()[0])


def messages_of(connection: sqlite3.Connection, request: str) -> list[Message]:
    """The messages of a stored request, whole again."""
    return [Message(role, texts.get(connection, digest)) for role, digest in json.loads(request)["messages"]]

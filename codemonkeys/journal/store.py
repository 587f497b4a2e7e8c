"""The journal: one SQLite file with everything a run did, written before anything acts on it."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from codemonkeys import __version__
from codemonkeys.errors import RunExists
from codemonkeys.journal import run_files, texts
from codemonkeys.journal.batches import StoredBatches
from codemonkeys.journal.calls import StoredCalls
from codemonkeys.journal.conversation_use import Use, conversation_use
from codemonkeys.journal.decisions import Decisions, open_decisions
from codemonkeys.journal.executions import StoredExecutions
from codemonkeys.journal.layers import StoredLayers
from codemonkeys.journal.nodes import StoredNodes
from codemonkeys.journal.prices import put_price
from codemonkeys.journal.same_settings import difference
from codemonkeys.journal.times import now
from codemonkeys.journal.transcripts import Said, transcript
from codemonkeys.journal.writer import KeyIndex, Writer
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Price
from codemonkeys.models.windows import Window
from codemonkeys.tasks.base import Task
from codemonkeys.wording import option, resume

T = TypeVar("T")


class Journal:
    """The database of one run, open for writing by one process, used from one thread."""

    def __init__(
        self,
        runs: Path,
        name: str,
        source: str,
        settings: dict[str, Any],
        windows: Mapping[str, Window] = MappingProxyType({}),
        prompts: Mapping[str, str] = MappingProxyType({}),
        tool_models: Collection[str] = (),
    ) -> None:
        """Open or create a run.

        `windows`: of its models by name, `prompts`: the templates by name, and `tool_models`: names of the models that
        are given native tools, if it is created; a run keeps the windows and the tools that it began with.

        `settings` are all settings of the run, JSON-serialisable; those under `operation`, and those of connections
        under `models`, may change between sessions, the others determine results and may not. Raises RunExists if the
        run was started with a different source or different settings, RunBusy, CorruptJournal, NewerJournal,
        JournalError.
        """
        self.name = name
        self.folder = run_files.run_folder(runs, name)
        self._made = run_files.make_private_folder(self.folder)
        self._lock = run_files.RunLock(self.folder)
        path = self.folder / "run.db"
        self._is_new = not path.exists()
        try:
            connection = run_files.connect_to_write(path)
            self._writer = Writer(connection, name, self.folder, run_files.connect_to_read(path))
            self.calls = StoredCalls(self._writer)
            self.executions = StoredExecutions(self._writer)
            self.layers = StoredLayers(self._writer)
            self.nodes = StoredNodes(self._writer)
            # The connection that writes would wait for a commit, and nearly every note that is looked for is missing.
            self._notes = KeyIndex(self._writer.reader, "SELECT stage, sample, kind FROM notes WHERE task = ?")
            self.batches = StoredBatches(self._writer)
            self._begin_run(source, settings, windows, prompts, tool_models)
            self.windows = {row[0]: Window(*row[1:]) for row in connection.execute("SELECT * FROM windows")}
            """What fits into each model, as far as it was known when the run began; nothing for older runs."""
            self.tool_models = {row[0] for row in connection.execute("SELECT model FROM tool_models")}
            """Models that were known to have native tool calls when the run began; none for older runs."""
        except BaseException:
            self.discard_unused()
            raise

    def _begin_run(
        self,
        source: str,
        settings: dict[str, Any],
        windows: Mapping[str, Window],
        prompts: Mapping[str, str],
        tool_models: Collection[str],
    ) -> None:
        given = {"source": source, **settings}
        row = self._writer.connection.execute("SELECT source, settings, version FROM run").fetchone()
        stored = given if row is None else {"source": row[0], **json.loads(row[1])}
        self.is_begun_by_older = row is not None and row[2] == "0.1.0"
        """Whether version 0.1 began this run: it goes on as it began, so that no step is taken again."""
        if (differs := difference(stored, given)) is not None:
            raise RunExists(
                f"run {self.name!r} in {self.folder} was started with {differs}. "
                f"Choose another name ({option('name')}), or {resume(self.name)}"
            )
        text = json.dumps(settings, sort_keys=True)
        with self._writer.writing() as connection:
            if row is None:
                connection.execute(
                    "INSERT INTO run VALUES (?, ?, ?, ?, ?)", (self.name, __version__, now(), source, text)
                )
                rows = [(model, window.tokens, window.answer, window.margin) for model, window in windows.items()]
                connection.executemany("INSERT INTO windows VALUES (?, ?, ?, ?)", rows)
                templates = [(prompt, texts.put(connection, text, plain=True)) for prompt, text in prompts.items()]
                connection.executemany("INSERT INTO prompts VALUES (?, ?)", templates)
                connection.executemany("INSERT INTO tool_models VALUES (?)", [(model,) for model in tool_models])
            else:  # One row, also where the folder has another name now; early versions added one then.
                connection.execute("DELETE FROM run WHERE rowid > (SELECT min(rowid) FROM run)")
                connection.execute("UPDATE run SET name = ?, settings = ?", (self.name, text))
        self.calls.mark_started_as_lost()
        if self.batches.read_left():
            self.calls.recompute_totals()

    def conversation_use(self, task: str, stage: str, sample: int, turn: int) -> Use:
        """What a conversation has used to the end of a turn."""
        return conversation_use(self._writer.reader, task, stage, sample, turn)

    def transcript(self, task: str, stage: str, sample: int) -> list[Said]:
        """What was said in a conversation so far, without its system message."""
        return transcript(self._writer.reader, task, stage, sample)

    @property
    def choice(self) -> str:
        """The named choice that this session makes; empty where it is the run itself."""
        return self._writer.choice

    def keeps(self, key: StepKey) -> bool:
        """Whether a stored step answers whatever is asked in its place; see `StoredChoice`."""
        return False

    def how_to_go_on(self) -> str:
        """How the user goes on with what this session does, to stand within a sentence."""
        return self._writer.how_to_go_on()

    def close(self) -> None:
        """Close the database and release the run's lock."""
        if hasattr(self, "_writer"):
            self._writer.close()
        self._lock.release()

    def discard_unused(self) -> None:
        """Close it, and remove the run if this session created it and nothing has been asked or executed yet."""
        unused = self._is_new and not (hasattr(self, "calls") and self._has_steps())
        if not unused:
            self.close()
            return
        if hasattr(self, "_writer"):
            self._writer.close()
        # Under the lock: another session of this name must not begin in a folder that is about to go.
        run_files.remove_begun(self.folder, self._made)
        self._lock.release()

    def _has_steps(self) -> bool:
        query = "SELECT EXISTS (SELECT 1 FROM call_steps) OR EXISTS (SELECT 1 FROM execution_steps)"
        return bool(self._writer.connection.execute(query).fetchone()[0])

    async def group_commit(self, change: Callable[[], T], *, patient: bool = False) -> T:
        """Make a change such as `calls.begin`, durable on return; concurrent changes share a commit.

        `patient`: wait a moment for others, where nobody waits for this one alone.
        """
        return await self._writer.group_commit(change, patient=patient)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """One transaction around several records: all are stored, or none."""
        with self._writer.writing():
            yield

    def add_tasks(self, tasks: Sequence[Task]) -> None:
        """Record the tasks of the run, in order; known ones are left unchanged."""
        with self._writer.writing() as connection:
            for position, task in enumerate(tasks):
                row = (task.id, position, task.repo, task.base_commit, texts.put(connection, task.issue))
                connection.execute(
                    "INSERT INTO tasks (id, position, repo, base_commit, issue_hash) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT (id) DO NOTHING",
                    row,
                )

    def forget_task(self, task: str) -> None:
        """Free the memory that a task which has ended takes."""
        for keys in (self.calls, self.executions):
            keys.forget_keys(task)
        self._notes.forget(task)

    def task_state(self, task: str) -> str:
        """`waiting`, `running`, or the state in which the task ended."""
        row = self._writer.connection.execute("SELECT state FROM tasks WHERE id = ?", (task,)).fetchone()
        return str(row[0])

    def begin_task(self, task: str) -> None:
        """Mark a task as running."""
        with self._writer.writing() as connection:
            connection.execute(
                "UPDATE tasks SET state = 'running', reason = '', ended_at = NULL, "
                "started_at = coalesce(started_at, ?) WHERE id = ?",
                (now(), task),
            )

    def end_task(self, task: str, state: str, reason: str, candidate: int | None, patch: str | None) -> None:
        """Record how a task ended, why, and with which patch."""
        with self._writer.writing() as connection:
            patch_hash = None if patch is None else texts.put(connection, patch, plain=True)
            connection.execute(
                "UPDATE tasks SET state = ?, reason = ?, candidate = ?, patch_hash = ?, ended_at = ? WHERE id = ?",
                (state, reason, candidate, patch_hash, now(), task),
            )

    def put_candidates(
        self, task: str, candidates: Sequence[tuple[int, int, str, str, bool, int | None, str, str]]
    ) -> None:
        """Record a task's candidates under their numbers, all or none; idempotent.

        Each is (number, sample, patch, test, approved, number of the candidate it duplicates, source, family).
        """
        with self._writer.writing() as connection:
            for number, sample, patch, test, approved, duplicate_of, source, family in candidates:
                patch_hash = texts.put(connection, patch, plain=True)
                test_hash = texts.put(connection, test, plain=True) if test else None
                connection.execute(
                    "INSERT OR REPLACE INTO candidates VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (task, number, sample, patch_hash, test_hash, approved, duplicate_of, source, family),
                )

    def put_note(self, task: str, stage: str, sample: int, kind: str, body: Any) -> None:
        """Record a derived fact, as JSON, for readers of the run: a ranking, a file kept as `maybe`."""
        self._notes.of(task).add((stage, sample, kind))
        with self._writer.writing() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?, ?)",
                (task, stage, sample, kind, json.dumps(body)),
            )

    def note(self, task: str, stage: str, sample: int, kind: str) -> Any:
        """The body of a note; None if there is none."""
        if (stage, sample, kind) not in self._notes.of(task):
            return None
        query = "SELECT body FROM notes WHERE (task, stage, sample, kind) = (?, ?, ?, ?)"
        row = self._writer.connection.execute(query, (task, stage, sample, kind)).fetchone()
        return None if row is None else json.loads(row[0])

    def decisions(self, besides: str) -> Decisions:
        """What was decided last about the waves of the other tasks that have not ended."""
        return open_decisions(self._writer.connection, besides)

    def has_asked(self, task: str, *stages: str) -> bool:
        """Whether any call of these stages was made for a task."""
        query = f"SELECT EXISTS (SELECT 1 FROM call_steps WHERE task = ? AND stage IN ({', '.join('?' * len(stages))}))"
        return bool(self._writer.connection.execute(query, (task, *stages)).fetchone()[0])

    def put_signals(self, task: str, kind: str, values: Mapping[int, tuple[float | None, str]]) -> None:
        """Record evidence other than votes: candidate or ballot number to (value, detail).

        Replaces all of the task's signals of that kind; docs/files.md lists the kinds under `signals`.
        """
        with self._writer.writing() as connection:
            connection.execute("DELETE FROM signals WHERE task = ? AND kind = ?", (task, kind))
            connection.executemany(
                "INSERT INTO signals VALUES (?, ?, ?, ?, ?)",
                [(task, kind, number, value, detail) for number, (value, detail) in values.items()],
            )

    def put_controls(self, task: str, controls: Mapping[int, tuple[bool, str]]) -> None:
        """Record for candidates by number whether they pass their controls, and the kinds that they fail."""
        with self._writer.writing() as connection:
            connection.execute("DELETE FROM controls WHERE task = ?", (task,))
            connection.executemany(
                "INSERT INTO controls VALUES (?, ?, ?, ?)",
                [(task, number, passed, failed) for number, (passed, failed) in controls.items()],
            )

    def put_retry(self, model: str, status: str, words: str) -> None:
        """Count a retry after a transient error, and keep the last error message."""
        with self._writer.writing() as connection:
            connection.execute(
                "INSERT INTO retries VALUES (?, ?, 1, ?, ?, ?) ON CONFLICT (model, status) DO UPDATE SET "
                "times = times + 1, last = excluded.last, last_at = excluded.last_at",
                (model, status, words, now(), now()),
            )

    def put_price(self, model: str, price: Price | None) -> None:
        """Record the price of a model, from which costs are computed; None: unknown, and its calls cost NULL."""
        if put_price(self._writer, model, price):
            self.calls.recompute_totals()

"""The journal of a run while a named choice is made among its candidates."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from codemonkeys import __version__
from codemonkeys.errors import JournalError, RunExists
from codemonkeys.journal import texts
from codemonkeys.journal.named_choices import NamedChoice, named_choice
from codemonkeys.journal.same_settings import difference
from codemonkeys.journal.store import Journal
from codemonkeys.journal.times import now
from codemonkeys.keys import StepKey
from codemonkeys.models.windows import Window
from codemonkeys.stages import choice_of, stage_of_choice
from codemonkeys.wording import option

CHOICE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
OF_MODELS = ("belief", "ballot", "conversation", "match")
"""Kinds of signals that a model gave: each choice has its own."""


class ChoiceJournal(Journal):
    """A run's journal while a named choice is made: states and signals are the choice's, and nothing is replaced.

    Steps that the run has stored, such as its votes, answer as they are, whatever has changed since.
    """

    def __init__(
        self,
        runs: Path,
        name: str,
        source: str,
        settings: dict[str, Any],
        windows: Mapping[str, Window] = MappingProxyType({}),
        *,
        choice: NamedChoice,
    ) -> None:
        """Open a run to begin or resume a choice. `settings`: the run's, as stored. Raises what a journal raises.

        `windows`: of the models that are asked. Raises RunExists for a choice that was begun with other settings.
        """
        super().__init__(runs, name, source, settings)
        try:
            self._begin_choice(choice)
            self._add_windows(windows)
        except BaseException:
            self.close()
            raise

    def _begin_choice(self, choice: NamedChoice) -> None:
        with self._writer.writing() as connection:
            stored = named_choice(connection, choice.name)
            given = {"rule": choice.rule, "model": choice.model, **choice.settings}
            if stored is None:
                row = (choice.name, choice.rule, choice.model, json.dumps(dict(choice.settings), sort_keys=True))
                connection.execute("INSERT INTO named_choices VALUES (?, ?, ?, ?, ?, ?)", (*row, __version__, now()))
            elif (
                differs := difference({"rule": stored.rule, "model": stored.model, **stored.settings}, given)
            ) is not None:
                raise RunExists(
                    f"choice {choice.name!r} of run {self.name!r} was begun with {differs}. "
                    f"Choose another name for this one ({option('choice', 'NAME')})"
                )
        self._writer.choice = choice.name
        self._begins = stored is None

    def _add_windows(self, windows: Mapping[str, Window]) -> None:
        """Keep the windows of models that the run has not asked: those that it has go on as they began."""
        with self._writer.writing() as connection:
            asked = {model for (model,) in connection.execute("SELECT model FROM prices")}
            new = {model: window for model, window in windows.items() if model not in {*asked, *self.windows}}
            added = [(model, window.tokens, window.answer, window.margin) for model, window in new.items()]
            connection.executemany("INSERT INTO windows VALUES (?, ?, ?, ?)", added)
        self.windows |= new

    def discard_unused(self) -> None:
        """Close it, and forget the choice if this session has begun it and nothing came of it."""
        if getattr(self, "_begins", False):
            with suppress(JournalError), self._writer.writing() as connection:
                mine = ("choices WHERE name = ?", "call_steps WHERE stage LIKE '%@' || ?")
                if not any(self._has(where, self.choice) for where in mine):
                    for table in ("choice_signals", "named_choices"):
                        connection.execute(f"DELETE FROM {table} WHERE name = ?", (self.choice,))
        super().discard_unused()

    def keeps(self, key: StepKey) -> bool:
        """Whether a stored step answers whatever is asked in its place: those that are not the choice's own do."""
        return choice_of(key.stage) != self.choice

    def task_state(self, task: str) -> str:
        """`waiting`, `running`, or the state in which the choice ended."""
        query = "SELECT state FROM choices WHERE (name, task) = (?, ?)"
        row = self._writer.connection.execute(query, (self.choice, task)).fetchone()
        return "waiting" if row is None else str(row[0])

    def begin_task(self, task: str) -> None:
        """Mark the choice of a task as running."""
        with self._writer.writing() as connection:
            connection.execute(
                "INSERT INTO choices (name, task, state, started_at) VALUES (?, ?, 'running', ?) "
                "ON CONFLICT (name, task) DO UPDATE SET state = 'running', reason = '', ended_at = NULL",
                (self.choice, task, now()),
            )

    def end_task(self, task: str, state: str, reason: str, candidate: int | None, patch: str | None) -> None:
        """Record the choice of a task, and why."""
        with self._writer.writing() as connection:
            patch_hash = None if patch is None else texts.put(connection, patch, plain=True)
            connection.execute(
                "INSERT INTO choices VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (name, task) DO UPDATE SET "
                "state = excluded.state, reason = excluded.reason, candidate = excluded.candidate, "
                "patch_hash = excluded.patch_hash, ended_at = excluded.ended_at",
                (self.choice, task, state, reason, candidate, patch_hash, now(), now()),
            )

    def put_candidates(self, task: str, candidates: Any) -> None:
        """Nothing: a choice is among the candidates that there are, as the run has numbered them."""

    def put_note(self, task: str, stage: str, sample: int, kind: str, body: Any) -> None:
        """Record a derived fact, unless the run has it; what became of the task is the choice's own."""
        stage = stage_of_choice(stage, self.choice) if stage == "task" else stage
        if choice_of(stage) or self.note(task, stage, sample, kind) is None:
            super().put_note(task, stage, sample, kind, body)

    def put_signals(self, task: str, kind: str, values: Mapping[int, tuple[float | None, str]]) -> None:
        """Record evidence: what models said for this choice alone; of tests, what the run does not have."""
        if kind not in OF_MODELS:
            if not self._has("signals WHERE task = ? AND kind = ?", task, kind):
                super().put_signals(task, kind, values)
            return
        with self._writer.writing() as connection:
            key = (self.choice, task, kind)
            connection.execute("DELETE FROM choice_signals WHERE (name, task, kind) = (?, ?, ?)", key)
            connection.executemany(
                "INSERT INTO choice_signals VALUES (?, ?, ?, ?, ?, ?)",
                [(*key, number, value, detail) for number, (value, detail) in values.items()],
            )

    def put_controls(self, task: str, controls: Mapping[int, tuple[bool, str]]) -> None:
        """Record which candidates pass their controls, unless the run has it."""
        if not self._has("controls WHERE task = ?", task):
            super().put_controls(task, controls)

    def _has(self, where: str, *values: str) -> bool:
        query = f"SELECT EXISTS (SELECT 1 FROM {where})"
        return bool(self._writer.connection.execute(query, values).fetchone()[0])

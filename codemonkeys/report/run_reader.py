"""Read-only access to a stored run, as typed objects or by SQL, even while another process writes it."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from codemonkeys.errors import BadInput
from codemonkeys.journal import queries, run_files, texts
from codemonkeys.journal.decoding import ask, decode
from codemonkeys.journal.named_choices import chosen, named_choices, read_as
from codemonkeys.runs.sleeping import Reuse, reuse_of
from codemonkeys.tasks.predictions import Prediction


@dataclass(frozen=True)
class TaskRecord:
    """A task of a run."""

    id: str
    repo: str
    base_commit: str
    issue: str
    state: str
    """`waiting`, `running`, or a final state."""
    reason: str
    candidate: int | None
    """Number of the chosen candidate."""
    patch: str
    """The submitted patch; empty if none was chosen."""
    started_at: str | None
    ended_at: str | None
    """ISO 8601, UTC."""


@dataclass(frozen=True)
class CandidateRecord:
    """A candidate of a task."""

    task: str
    number: int
    """From 1."""
    sample: int
    """Its trajectory, from 0; `show` counts from 1."""
    patch: str
    test: str
    """The trajectory's test script; empty if there is none."""
    approved: bool
    duplicate_of: int | None
    """Number of the first equivalent candidate."""
    source: str
    """The model or the system that wrote it."""
    family: str


@dataclass(frozen=True)
class VoteRecord:
    """Result of one test script on one distinct candidate."""

    task: str
    candidate: int
    test: int
    """From 0; `show` counts from 1."""
    original_exit: int | None
    """Exit code on the unedited repository; None if the script did not exit by itself."""
    edited_exit: int | None
    valid: bool
    """The script reproduced the issue in the unedited repository."""
    vote: bool
    """The test is valid and passes on the candidate, which did not fail its control."""
    control: bool | None = None
    """Whether the candidate passes its control; None if none ran."""


@dataclass(frozen=True)
class ChoiceRecord:
    """What a named choice came to on one task."""

    name: str
    rule: str
    model: str | None
    """The model that judged; None if none was asked."""
    task: str
    state: str
    candidate: int | None
    """Number of the chosen candidate."""
    reason: str


CHOSEN = ("task", "state", "candidate", "reason")


@dataclass(frozen=True)
class CallRecord:
    """A model call."""

    id: int
    task: str
    stage: str
    sample: int
    turn: int
    state: str
    """`started`, `done`, `failed`, `lost` or `superseded`."""
    model: str
    finish_reason: str | None
    error: str | None
    prompt_tokens: int | None
    completion_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    attempts: int | None
    seconds: float | None
    cost_usd: float | None
    """US dollars; the reserved upper bound if the provider reported no usage, None if no price is known."""


@dataclass(frozen=True)
class CostRecord:
    """Usage and cost of one stage's calls to one model."""

    stage: str
    model: str
    calls: int
    prompt_tokens: int | None
    completion_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    cost_usd: float | None


@dataclass(frozen=True)
class VerdictRecord:
    """The verdict of grading on a patch."""

    task: str
    patch_hash: str
    """SHA-256 of the patch."""
    outcome: str
    """`resolved`, `not resolved`, ...; see docs/files.md."""
    detail: str
    flags: tuple[str, ...]
    unstable: bool
    """Repeated gradings disagreed."""


R = TypeVar("R")


@dataclass(frozen=True)
class Run:
    """A stored run. Each method reads the current content of the database."""

    database: Path
    name: str
    source: str
    settings: dict[str, Any]
    """Every setting the run was started with."""

    def tasks(self) -> list[TaskRecord]:
        """All tasks, in the order of the run."""
        query = "SELECT * FROM tasks ORDER BY position"
        with self._reading() as connection:
            records = queries.rows(connection, query)
            for row in records:
                row["issue"] = texts.get(connection, row["issue_hash"])
                row["patch"] = texts.get(connection, row["patch_hash"])
        return [_record(TaskRecord, row) for row in records]

    def candidates(self, task: str | None = None) -> list[CandidateRecord]:
        """Candidates of one task or of all, in order, including equivalent ones."""
        query = "SELECT * FROM candidates WHERE ? IN (task, '') ORDER BY task, number"
        with self._reading() as connection:
            records = queries.rows(connection, query, task or "")
            for row in records:
                row["patch"] = texts.get(connection, row["patch_hash"])
                row["test"] = texts.get(connection, row["test_hash"])
                row["approved"] = bool(row["approved"])
        return [_record(CandidateRecord, {"source": "", "family": "", **row}) for row in records]

    def votes(self, task: str | None = None) -> list[VoteRecord]:
        """The vote matrix of one task or of all."""
        query = "SELECT * FROM votes WHERE ? IN (task, '') ORDER BY task, candidate, test"
        with self._reading() as connection:
            records = queries.rows(connection, query, task or "")
        for row in records:
            control = row.get("control")
            row.update(valid=bool(row["valid"]), vote=bool(row["vote"]))
            row["control"] = None if control is None else bool(control)
        return [_record(VoteRecord, row) for row in records]

    def choices(self, name: str | None = None) -> list[ChoiceRecord]:
        """What named choices came to, of one name or of all, in the order of the run."""
        with self._reading() as connection:
            return [
                ChoiceRecord(choice.name, choice.rule, choice.model, *(row[field] for field in CHOSEN))
                for choice in named_choices(connection)
                if name in (None, choice.name)
                for row in chosen(connection, choice.name)
            ]

    def predictions(self, choice: str | None = None) -> dict[str, Prediction]:
        """Predictions by task: the run's own, or those of a named choice. Raises BadInput for an unknown one."""
        with self._reading() as connection:
            if choice is not None:
                read_as(connection, self.name, choice)
            return {row["instance_id"]: Prediction(**row) for row in queries.predictions(connection)}

    def calls(self, task: str | None = None) -> list[CallRecord]:
        """Model calls of one task or of all, in the order they were sent."""
        query = "SELECT * FROM calls WHERE ? IN (task, '') ORDER BY id"
        with self._reading() as connection:
            return [_record(CallRecord, row) for row in queries.rows(connection, query, task or "")]

    def costs(self, task: str | None = None) -> list[CostRecord]:
        """Cost of the run, or of one task, by stage and model."""
        with self._reading() as connection:
            return [_record(CostRecord, row) for row in queries.spend(connection, task)]

    def verdicts(self) -> list[VerdictRecord]:
        """Verdicts of grading; empty before `evaluate`."""
        with self._reading() as connection:
            records = queries.rows(connection, "SELECT * FROM verdicts ORDER BY task, patch_hash")
        for row in records:
            row["flags"] = tuple(json.loads(row.get("flags", "[]")))
            row["unstable"] = bool(row.get("unstable", 0))
        return [_record(VerdictRecord, row) for row in records]

    def digests(self) -> dict[str, Reuse]:
        """By task, what became of the definitions that a run of `sleep`, or of `context.mode=digest`, looked at."""
        return reuse_of(self.database.parent)

    def sql(self, query: str, *parameters: Any) -> list[dict[str, Any]]:
        """The rows of a query, which may read all texts; docs/files.md describes tables and views.

        The database is opened read-only. Raises BadInput for a query that SQLite refuses.
        """
        with self._reading() as connection:
            decode(connection)
            columns, rows = ask(connection, query, *parameters)
        return [dict(zip(columns, row, strict=True)) for row in rows]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with run_files.reading(self.database) as connection:
            yield connection


def open_run(path: str | Path) -> Run:
    """Open the run in a folder, or of a `run.db`. Raises BadInput if there is none, CorruptJournal, NewerJournal."""
    given = Path(path)
    database = given if given.suffix == ".db" else given / "run.db"
    if not database.is_file():
        folder = database.parent.absolute()
        lacks = run_files.no_run(folder.name, [folder.parent])
        raise BadInput(f"{lacks}. open_run takes the path of a run's folder, such as runs/{folder.name}")
    with run_files.reading(database) as connection:
        overview = queries.run_overview(connection)
    return Run(database, str(overview["name"]), str(overview["source"]), overview["settings"])


def _record(kind: type[R], row: dict[str, Any]) -> R:
    """Convert a row to a record, dropping columns that are not fields."""
    names: Sequence[str] = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: row[name] for name in names})

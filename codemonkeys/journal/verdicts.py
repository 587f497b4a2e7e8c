"""Verdicts of an evaluation, written into a finished run's journal. Nothing that solves tasks imports this."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from codemonkeys.journal import run_files
from codemonkeys.journal.times import now
from codemonkeys.journal.writer import Writer

INFRASTRUCTURE = "infrastructure failure"
"""The outcome that says nothing about a patch, and so never replaces another."""


@dataclass(frozen=True)
class Grading:
    """One grading of a patch, or the majority of several."""

    outcome: str
    detail: str
    tests: Mapping[str, Sequence[int]]
    seconds: float


@dataclass(frozen=True)
class GradedPatch:
    """A patch with its verdict and gradings."""

    patch: str
    verdict: Grading
    gradings: Sequence[Grading]
    flags: Sequence[str] = ()
    unstable: bool = False


def put_verdicts(database: Path, graded: Mapping[str, GradedPatch]) -> None:
    """Record verdicts and gradings by task. Raises RunBusy, JournalError."""
    lock = run_files.RunLock(database.parent)
    try:
        with closing(run_files.connect_to_write(database)) as connection:
            writer = Writer(connection, database.parent.name, database.parent)
            with writer.writing():
                for task, found in graded.items():
                    key = (task, hashlib.sha256(found.patch.encode("utf-8", "replace")).hexdigest())
                    verdict = found.verdict
                    connection.execute(
                        "INSERT INTO verdicts (task, patch_hash, outcome, detail, graded_at, flags, unstable) "
                        "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (task, patch_hash) DO UPDATE SET "
                        "outcome = excluded.outcome, detail = excluded.detail, graded_at = excluded.graded_at, "
                        "flags = excluded.flags, unstable = excluded.unstable "
                        "WHERE excluded.outcome != ? OR verdicts.outcome = ?",
                        (*key, verdict.outcome, verdict.detail, now(), json.dumps(list(found.flags)), found.unstable)
                        + (INFRASTRUCTURE, INFRASTRUCTURE),
                    )
                    connection.executemany(
                        "INSERT INTO gradings VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
                        "ON CONFLICT (task, patch_hash, repeat) DO UPDATE SET outcome = excluded.outcome, "
                        "detail = excluded.detail, tests = excluded.tests, seconds = excluded.seconds, "
                        "graded_at = excluded.graded_at WHERE excluded.outcome != ? OR gradings.outcome = ?",
                        [
                            (*key, repeat, one.outcome, one.detail, json.dumps(dict(one.tests)), one.seconds, now())
                            + (INFRASTRUCTURE, INFRASTRUCTURE)
                            for repeat, one in enumerate(found.gradings, 1)
                        ],
                    )
    finally:
        lock.release()

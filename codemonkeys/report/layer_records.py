"""What a run's journal has of the layers between trajectories and selection."""

from __future__ import annotations

import json
import sqlite3
from typing import NamedTuple

from codemonkeys.journal.queries import rows
from codemonkeys.stages import CRITIQUE, RERANK, VERIFY


class Verification(NamedTuple):
    """A merged candidate, as tests verified it."""

    sample: int
    stays: bool
    passed: int
    """Valid scripts that it passes."""
    scripts: int
    """Number of these."""
    broken: int | None
    """Tests of the repository that it breaks; None if unknown."""
    patch_hash: str
    """Empty if no script ran on it."""


REFUSED = (
    "SELECT DISTINCT e.task, e.patch_hash FROM execution_steps e "
    "WHERE e.stage = 'verify' AND e.part = 'edited' AND e.state = 'done' "
    "AND (e.task, e.patch_hash) NOT IN (SELECT task, patch_hash FROM candidates)"
)
"""Merged candidates that were refused, as tasks and hashes of patches."""


def critiqued_tasks(connection: sqlite3.Connection) -> frozenset[str]:
    """Tasks of which some candidate has a critique."""
    noted = "SELECT DISTINCT task FROM notes WHERE stage = ? AND kind = 'critique'"
    return frozenset(row["task"] for row in rows(connection, noted, CRITIQUE.name))


def rankings_of(connection: sqlite3.Connection) -> dict[str, tuple[int, ...]]:
    """By task, candidates in the order of the first layer that ranked them."""
    position = {(r["task"], r["sample"]): r["number"] - 1 for r in rows(connection, "SELECT * FROM candidates")}
    noted = "SELECT task, body FROM notes WHERE stage = ? AND kind = 'ranking' ORDER BY sample DESC"
    found = {row["task"]: json.loads(row["body"]) for row in rows(connection, noted, RERANK.name)}
    return {task: tuple(position[task, n] for n in order if (task, n) in position) for task, order in found.items()}


def verifications_of(connection: sqlite3.Connection) -> dict[str, tuple[Verification, ...]]:
    """By task, its merged candidates that were verified, in the order of their samples."""
    ran = "SELECT task, sample, patch_hash FROM execution_steps WHERE stage = ? AND part = 'edited' AND state = 'done'"
    patches = {(row["task"], row["sample"]): row["patch_hash"] for row in rows(connection, ran, VERIFY.name)}
    noted = "SELECT task, sample, body FROM notes WHERE stage = ? AND kind = 'verdict' ORDER BY task, sample"
    found: dict[str, tuple[Verification, ...]] = {}
    for row in rows(connection, noted, VERIFY.name):
        task, sample, said = row["task"], row["sample"], json.loads(row["body"])
        one = Verification(
            *(sample, said["stays"], said["passed"], said["of"], said["broken"]), patches.get((task, sample), "")
        )
        found[task] = (*found.get(task, ()), one)
    return found

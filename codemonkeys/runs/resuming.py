"""What a resumed run is to do, read from its journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codemonkeys.journal import queries, run_files
from codemonkeys.runs.session import RunRequest
from codemonkeys.settings import Settings, build, merge
from codemonkeys.tasks.sources import load_tasks


@dataclass(frozen=True)
class StoredRequest:
    """What a run was begun with."""

    source: str
    ids: tuple[str, ...]
    settings: Settings
    ensemble: dict[str, Any] | None
    """Members and tests of an ensemble; None for a run that solves."""
    sleeps: bool = False
    """Whether it only makes digests."""


def read_stored(runs: Path, name: str, operation: Mapping[str, Any]) -> StoredRequest:
    """What a run was begun with. `operation`: settings of that section that change now. Raises BadInput and its kin."""
    database = run_files.database_of(runs, name)
    with run_files.reading(database) as connection:
        run = queries.run_overview(connection)
    if not isinstance(run["settings"], dict) or not isinstance(run["settings"].get("ids"), list):
        raise run_files.corrupt(database, "its settings are damaged")
    values = dict(run["settings"])
    ids, ensemble = values.pop("ids"), values.pop("ensemble", None)
    sleeps = bool(values.pop("sleep", False))
    merge(values, {"operation": dict(operation)})
    return StoredRequest(str(run["source"]), tuple(ids), build(values), ensemble, sleeps)


def stored_request(stored: StoredRequest) -> RunRequest:
    """The request of a run that solves."""
    tasks = load_tasks(stored.source, list(stored.ids) or None)
    return RunRequest(stored.source, stored.ids, tuple(tasks), stored.settings)

"""The model `replay:FILE`: answers out of a recording, or out of the journal of an earlier run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from codemonkeys.errors import BadRecord
from codemonkeys.journal import queries, run_files
from codemonkeys.journal.decisions import all_decisions
from codemonkeys.models.replay import ReplayModel

if TYPE_CHECKING:
    from codemonkeys.settings import OperationSettings


def open_replay(spec: str, operation: OperationSettings) -> ReplayModel:
    """Open `replay:FILE`, with a recording (JSON lines) or a `run.db`. Raises BadRecord, CorruptJournal."""
    path = Path(spec.partition(":")[2])
    return read_run(path) if path.suffix == ".db" else ReplayModel.open(path)


def read_run(path: Path) -> ReplayModel:
    """A model that gives the answers of a run again. Raises BadRecord, CorruptJournal."""
    if not path.is_file():
        raise BadRecord(f"{path}: no such run; check the path")
    with run_files.reading(path) as connection:
        return ReplayModel(
            dict(queries.answers(connection)),
            str(path),
            queries.request_messages(connection),
            all_decisions(connection),
        )

"""The predictions of a run as a file beside its journal, kept up to date while the run goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from codemonkeys.engine.events import Event, Notify, note
from codemonkeys.errors import BadInput
from codemonkeys.journal import queries, run_files
from codemonkeys.tasks.predictions import Prediction, write_predictions

FILE = "preds.json"
PAUSE = 2.0
"""Seconds between two writings: each writes all predictions, which may be megabytes."""


@asynccontextmanager
async def keeping_predictions_file(folder: Path, notify: Notify) -> AsyncIterator[Notify]:
    """Gives `notify`, by which ended tasks soon stand in `preds.json` of the run's folder, and all at the end.

    The file is replaced in one step, so that whoever reads it meets whole predictions. It is a copy: where it cannot be
    written, that is said, and the run goes on.
    """
    changed, over = asyncio.Event(), asyncio.Event()
    changed.set()

    async def keep_up() -> None:
        while changed.is_set() or not over.is_set():
            await changed.wait()
            await write()
            with suppress(TimeoutError):
                await asyncio.wait_for(over.wait(), PAUSE)

    async def write() -> None:
        changed.clear()
        try:
            await asyncio.to_thread(copy_predictions, folder)
        except BadInput as error:
            notify(note(f"{error}. The run holds all the same: codemonkeys export {folder.name}"))

    def told(event: Event) -> None:
        notify(event)
        if event.kind == "task":
            changed.set()

    keeping_up = asyncio.create_task(keep_up())
    try:
        yield told
    finally:
        changed.set()
        over.set()
        await keeping_up


def copy_predictions(folder: Path) -> None:
    """Write the predictions that a run has so far; raises BadInput where that is not possible."""
    with run_files.reading(folder / "run.db") as connection:
        predictions = {row["instance_id"]: Prediction(**row) for row in queries.predictions(connection)}
    write_predictions(folder / FILE, predictions, mode=0o600)

"""The estimate of a run that `--dry-run` leaves in the folder where the run will be, so that `status` can compare."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from codemonkeys.journal.run_files import make_private_folder, run_folder
from codemonkeys.system.files import write_whole

NAME = "estimate.json"


def write_estimate(runs: Path, name: str, tasks: Mapping[str, float | None]) -> bool:
    """Keep the expected cost of each task, in US dollars, unless the run has begun or a price is unknown.

    Returns whether it was kept. Raises BadInput for an unusable name, JournalError.
    """
    folder = run_folder(runs, name)
    if (folder / "run.db").exists() or None in tasks.values():
        return False
    make_private_folder(folder)
    write_whole(folder / NAME, json.dumps(dict(tasks)) + "\n", mode=0o600)
    return True


def read_estimate(folder: Path) -> dict[str, float]:
    """Expected cost of tasks in US dollars; empty without an estimate, or if somebody wrote something else there."""
    try:
        tasks = json.loads((folder / NAME).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(tasks, dict):
        return {}
    return {task: float(usd) for task, usd in tasks.items() if type(usd) in (int, float)}

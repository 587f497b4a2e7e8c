"""What others take from a run: predictions, a recording, trajectories, a folder for the SWE-bench leaderboard."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadInput
from codemonkeys.journal import queries
from codemonkeys.models.replay import write_recording
from codemonkeys.redact import redact
from codemonkeys.report.atif import trajectory
from codemonkeys.system.files import write_whole
from codemonkeys.tasks.predictions import Prediction, write_predictions
from codemonkeys.wording import flag, option

LOGS = ("report.json", "test_output.txt", "run_instance.log", "patch.diff", "eval.sh")
"""Files of a task's evaluation that a submission holds."""

README = """\
# {name}

{count} predictions of a codemonkeys run (version {version}) on `{source}`.

- Models: {models}
- Samples for each task: {samples}; of these one is chosen by generated tests and a model, without the hidden tests.
- Spent: {spent}

## Checklist

- [x] One prediction for each task (pass@1): what is submitted was chosen before any hidden test was run. As a
      system it makes {attempts} attempts at a task.
- [x] The system does not see `PASS_TO_PASS` and `FAIL_TO_PASS`: the process that solves does not load these columns.
- [x] The system does not see `hints_text`: neither is that column.
- [x] No web look-up: the model has no tool but scripts, and they run without network.

## Results

{results}
"""


def export(connection: sqlite3.Connection, folder: Path, output: Path, format: str, overwrite: bool) -> str:
    """Write a run, whose files are in `folder`, in a format of `FORMATS`; returns what was written, for people.

    Raises BadInput for an unknown format, and for an output that is there already unless `overwrite` is given.
    """
    if format not in FORMATS:
        raise BadInput(f"{option('format', format)}: choose {', '.join(FORMATS)}")
    there = output.is_file() or (output.is_dir() and any(output.iterdir()))
    if there and not overwrite:
        raise BadInput(
            f"{output} exists; choose another place, or pass {flag('overwrite')} to replace what is written there"
        )
    try:
        said = FORMATS[format](connection, folder, output)
    except OSError as error:
        raise BadInput(f"{output}: cannot be written: {error.strerror}; choose another place") from None
    return f"{said} (what was there is replaced)" if there else said


def _predictions(connection: sqlite3.Connection) -> dict[str, Prediction]:
    return {row["instance_id"]: Prediction(**row) for row in queries.predictions(connection)}


def preds(connection: sqlite3.Connection, folder: Path, output: Path) -> str:
    """Predictions, as `swebench eval -p` takes them."""
    rows = _predictions(connection)
    write_predictions(output, rows)
    return f"{len(rows)} predictions written to {output}"


def recording(connection: sqlite3.Connection, folder: Path, output: Path) -> str:
    """Every answer, to be replayed without a model."""
    write_recording(output, queries.answers(connection), queries.request_messages(connection))
    return f"recording written to {output}; replay it with --replay {output}"


def atif(connection: sqlite3.Connection, folder: Path, output: Path) -> str:
    """A folder with a trajectory for each task that was begun."""
    begun = [task["id"] for task in queries.run_overview(connection)["tasks"] if task["state"] != "waiting"]
    for task in begun:
        write_whole(output / f"{task}.json", json.dumps(trajectory(connection, task), indent=1) + "\n")
    return f"{len(begun)} trajectories written to {output}"


def leaderboard(connection: sqlite3.Connection, folder: Path, output: Path) -> str:
    """A submission folder, as github.com/SWE-bench/experiments wants it; what only its owner knows is left empty."""
    import yaml

    run = queries.run_overview(connection)
    rows = _predictions(connection)
    write_predictions(output / "all_preds.jsonl", rows)
    atif(connection, folder, output / "trajs")
    logs = _copy_logs(folder, run["name"], output / "logs")
    results = _results(connection, run, logs)
    if results is not None:
        write_whole(output / "results" / "results.json", json.dumps(results, indent=2) + "\n")
    models = sorted({row["model"] for row in run["spend"]})
    attempts = "1" if run["settings"]["generation"]["samples"] == 1 else "2+"
    metadata = {
        "assets": {"logs": "logs" if logs else None, "trajs": "trajs"},
        "info": {"name": "codemonkeys", "authors": None, "logo": None, "site": None, "report": None},
        "tags": {
            "checked": False,
            "model": models,
            "org": None,
            "os_model": None,
            "os_system": True,
            "system": {"attempts": attempts},
        },
    }
    head = "# What is null is yours to fill in: nothing in a run says it.\n"
    write_whole(output / "metadata.yaml", head + redact(yaml.safe_dump(metadata, sort_keys=False)))
    known = [row["cost_usd"] for row in run["spend"] if row["cost_usd"] is not None]
    text = README.format(
        name=output.resolve().name,
        count=len(rows),
        version=run["version"],
        source=Path(run["source"]).name if Path(run["source"]).is_absolute() else run["source"],
        models=", ".join(f"`{model}`" for model in models),
        samples=run["settings"]["generation"]["samples"],
        spent=f"{sum(known):.2f} USD" if known else "unknown",
        attempts=attempts,
        results=_told(results, len(run["tasks"])),
    )
    write_whole(output / "README.md", redact(text))
    return f"{len(rows)} predictions, {len(logs)} evaluation logs and the trajectories written to {output}"


def _copy_logs(folder: Path, name: str, output: Path) -> list[str]:
    """Copy the logs of an evaluation, without secrets; the ids of the tasks that have any."""
    copied = set()
    for file in sorted((folder / "logs" / "run_evaluation" / name).glob("*/*/*")):
        if file.name in LOGS and file.is_file() and not file.is_symlink():
            text = file.read_text(encoding="utf-8", errors="replace")
            write_whole(output / file.parent.name / file.name, redact(text))
            copied.add(file.parent.name)
    return sorted(copied)


def _results(connection: sqlite3.Connection, run: dict[str, Any], logs: list[str]) -> dict[str, list[str]] | None:
    """What the leaderboard counts; None if the run was not evaluated."""
    query = "SELECT v.task, v.outcome FROM verdicts v JOIN tasks t ON t.id = v.task AND t.patch_hash = v.patch_hash"
    outcomes = {row["task"]: row["outcome"] for row in queries.rows(connection, query)}
    if not outcomes:
        return None
    predicted = set(_predictions(connection))
    tasks = [task["id"] for task in run["tasks"]]
    return {
        "no_generation": sorted(task for task in tasks if task not in predicted),
        "no_logs": sorted(task for task in tasks if task in predicted and task not in logs),
        "resolved": sorted(task for task, outcome in outcomes.items() if outcome == "resolved"),
    }


def _told(results: dict[str, list[str]] | None, tasks: int) -> str:
    if results is None:
        return "Not evaluated yet: `codemonkeys evaluate RUN`, then export again."
    resolved = len(results["resolved"])
    return (
        f"Resolved {resolved} of {tasks} tasks ({resolved / tasks:.1%}); {len(results['no_generation'])} without a "
        f"prediction, {len(results['no_logs'])} without logs."
    )


FORMATS: dict[str, Callable[[sqlite3.Connection, Path, Path], str]] = {
    "preds": preds,
    "leaderboard": leaderboard,
    "atif": atif,
    "recording": recording,
}
"""What a run can be written as."""

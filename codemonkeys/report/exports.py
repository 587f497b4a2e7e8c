"""Export formats of a run: predictions, a recording, trajectories, a SWE-bench leaderboard submission."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadInput
from codemonkeys.journal import queries
from codemonkeys.journal.decisions import all_decisions
from codemonkeys.redact import redact
from codemonkeys.report.tables import total_cost
from codemonkeys.system.files import write_whole
from codemonkeys.tasks.predictions import Prediction, write_predictions
from codemonkeys.wording import flag, option

LOGS = ("report.json", "test_output.txt", "run_instance.log", "patch.diff", "eval.sh")
"""Evaluation files of a task that a submission includes."""

README = """\
# {name}

{count} predictions of a codemonkeys run (version {version}) on `{source}`.

- Models: {models}
- Samples per task: {samples}; one is selected by generated tests and a model, without the hidden tests.
- Spent: {spent}

## Checklist

- [x] One prediction per task (pass@1): every submitted patch was selected before any hidden test was run. The
      system makes {attempts} attempts at a task.
- [x] The system does not see `PASS_TO_PASS` and `FAIL_TO_PASS`: the solving process does not load these columns.
- [x] The system does not see `hints_text`: that column is not loaded either.
- [x] No web browsing: the model's only tool is running scripts, and they have no network.

## Results

{results}
"""


def export(connection: sqlite3.Connection, folder: Path, output: Path, format: str, overwrite: bool) -> str:
    """Write a run, whose files are in `folder`, in a format of `FORMATS`; returns a message about what was written.

    Raises BadInput for an unknown format, and for existing output unless `overwrite` is set.
    """
    if format not in FORMATS:
        raise BadInput(f"{option('format', format)}: choose {', '.join(FORMATS)}")
    exists = output.is_file() or (output.is_dir() and any(output.iterdir()))
    if exists and not overwrite:
        raise BadInput(f"{output} exists; choose another path, or pass {flag('overwrite')} to replace it")
    try:
        message = FORMATS[format](connection, folder, output)
    except OSError as error:
        raise BadInput(f"{output}: cannot be written: {error.strerror}; choose another path") from None
    return f"{message} (existing files were overwritten)" if exists else message


def _predictions(connection: sqlite3.Connection) -> dict[str, Prediction]:
    return {row["instance_id"]: Prediction(**row) for row in queries.predictions(connection)}


def preds(connection: sqlite3.Connection, folder: Path, output: Path) -> str:
    """Predictions in the format of `swebench eval -p`."""
    rows = _predictions(connection)
    write_predictions(output, rows)
    return f"{len(rows)} predictions written to {output}"


def recording(connection: sqlite3.Connection, folder: Path, output: Path) -> str:
    """Every answer, to be replayed without a model."""
    from codemonkeys.models.replay import write_recording

    calls, messages = queries.answers(connection), queries.request_messages(connection)
    write_recording(output, calls, messages, all_decisions(connection))
    return f"recording written to {output}; replay it with --replay {output}"


def atif(connection: sqlite3.Connection, folder: Path, output: Path) -> str:
    """A folder with a trajectory for each started task."""
    from codemonkeys.report.atif import trajectory

    started = [task["id"] for task in queries.run_overview(connection)["tasks"] if task["state"] != "waiting"]
    for task in started:
        write_whole(output / f"{task}.json", json.dumps(trajectory(connection, task), indent=1) + "\n")
    return f"{len(started)} trajectories written to {output}"


def harbor(connection: sqlite3.Connection, folder: Path, output: Path) -> str:
    """A folder of jobs for `harbor view`."""
    from codemonkeys.report import harbor_job

    return harbor_job.harbor(connection, folder, output)


def leaderboard(connection: sqlite3.Connection, folder: Path, output: Path) -> str:
    """A submission folder for github.com/SWE-bench/experiments; fields only the submitter knows are left null."""
    import yaml

    run = queries.run_overview(connection)
    rows = _predictions(connection)
    write_predictions(output / "all_preds.jsonl", rows)
    atif(connection, folder, output / "trajs")
    models = {prediction.model_name_or_path.replace("/", "__") for prediction in rows.values()}
    logs = _copy_logs(folder, run["name"], models, output / "logs")
    results = _results(connection, run, logs)
    if results is not None:
        write_whole(output / "results" / "results.json", json.dumps(results, indent=2) + "\n")
    asked = sorted({row["model"] for row in run["spend"]})
    attempts = "1" if run["settings"]["generation"]["samples"] == 1 else "2+"
    metadata = {
        "assets": {"logs": "logs" if logs else None, "trajs": "trajs"},
        "info": {"name": "codemonkeys", "authors": None, "logo": None, "site": None, "report": None},
        "tags": {
            "checked": False,
            "model": asked,
            "org": None,
            "os_model": None,
            "os_system": True,
            "system": {"attempts": attempts},
        },
    }
    head = "# Fill in the null fields: they cannot be derived from the run.\n"
    write_whole(output / "metadata.yaml", head + redact(yaml.safe_dump(metadata, sort_keys=False)))
    text = README.format(
        name=output.resolve().name,
        count=len(rows),
        version=run["version"],
        source=Path(run["source"]).name if Path(run["source"]).is_absolute() else run["source"],
        models=", ".join(f"`{model}`" for model in asked),
        samples=run["settings"]["generation"]["samples"],
        spent=total_cost(run["spend"]) if run["spend"] else "unknown",
        attempts=attempts,
        results=_results_sentence(results, len(run["tasks"])),
    )
    write_whole(output / "README.md", redact(text))
    return f"{len(rows)} predictions, {len(logs)} evaluation logs and the trajectories written to {output}"


def _copy_logs(folder: Path, name: str, models: set[str], output: Path) -> list[str]:
    """Copy the logs of an evaluation of these models, redacted; returns the ids of the tasks that have any."""
    copied = set()
    for file in sorted((folder / "logs" / "run_evaluation" / name).glob("*/*/*")):
        if file.name in LOGS and file.parent.parent.name in models and file.is_file() and not file.is_symlink():
            text = file.read_text(encoding="utf-8", errors="replace")
            write_whole(output / file.parent.name / file.name, redact(text))
            copied.add(file.parent.name)
    return sorted(copied)


def _results(connection: sqlite3.Connection, run: dict[str, Any], logs: list[str]) -> dict[str, list[str]] | None:
    """The leaderboard's result lists; None if the run was not evaluated."""
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


def _results_sentence(results: dict[str, list[str]] | None, tasks: int) -> str:
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
    "harbor": harbor,
    "recording": recording,
}
"""Writers by name of the format."""

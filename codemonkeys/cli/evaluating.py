"""`evaluate`: grading by the hidden tests."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

from codemonkeys.cli.console import out, print_json, say
from codemonkeys.cli.exits import Exit
from codemonkeys.errors import BadInput
from codemonkeys.evaluation import Outcome, Verdict, evaluate
from codemonkeys.journal import files, queries
from codemonkeys.predictions import Prediction, read_predictions
from codemonkeys.session import choose_sandbox
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.environments import default_home, prepare
from codemonkeys.tasks.sources import load_tasks
from sandboxes import open_sandbox


def evaluate_command(
    given: str, dataset: str | None, sandbox: str | None, output: Path | None, runs: Path, as_json: bool
) -> Exit:
    """Grade a run or a predictions file."""
    path = Path(given)
    if path.suffix in (".json", ".jsonl"):
        if dataset is None:
            raise BadInput(f"name the dataset of the tasks in {given}: codemonkeys evaluate {given} DATASET")
        verdicts = grade_predictions(read_predictions(path), dataset, sandbox, path.stem, output or Path())
    else:
        with files.reading(files.database_of(runs, given)) as connection:
            source = queries.run_overview(connection)["source"]
        verdicts = grade(runs, given, dataset or source, sandbox, output or runs / given)
    if as_json:
        print_json([{**asdict(verdict), "resolved": verdict.resolved} for verdict in verdicts])
    else:
        print_verdicts(verdicts)
    return exit_of(verdicts)


def exit_of(verdicts: list[Verdict]) -> Exit:
    """Done if everything could be graded and something is resolved."""
    if any(verdict.outcome is Outcome.INFRASTRUCTURE for verdict in verdicts):
        return Exit.PARTIAL
    return Exit.DONE if any(verdict.resolved for verdict in verdicts) else Exit.NOTHING_SOLVED


def grade(
    runs: Path,
    name: str,
    source: str,
    sandbox: str | None,
    output: Path,
    predictions: dict[str, Prediction] | None = None,
) -> list[Verdict]:
    """Grade the predictions of a run and record the verdicts in its journal, where selection never looks.

    `predictions`: other patches for its tasks, to be graded instead.
    """
    from codemonkeys.journal.verdicts import put_verdicts

    database = files.database_of(runs, name)
    if predictions is None:
        with files.reading(database) as connection:
            rows = queries.predictions(connection)
        predictions = {row["instance_id"]: Prediction(**row) for row in rows}
    verdicts = grade_predictions(predictions, source, sandbox, name, output)
    graded = {
        v.id: (hashlib.sha256(predictions[v.id].model_patch.encode()).hexdigest(), v.outcome, v.detail)
        for v in verdicts
    }
    put_verdicts(database, graded)
    return verdicts


def grade_predictions(
    predictions: dict[str, Prediction], source: str, wanted: str | None, run_id: str, output: Path
) -> list[Verdict]:
    """Grade predictions of a dataset's tasks."""
    if not predictions:
        return []
    tasks = {task.id: task for task in load_tasks(source, list(predictions))}
    keys = load_answer_keys(source, list(predictions))
    kind = choose_sandbox(wanted or "auto", list(tasks.values()))
    home = default_home()
    sandbox = open_sandbox(kind, f"evaluate-{run_id}")
    try:
        return evaluate(
            predictions,
            keys,
            lambda id: prepare(tasks[id], home, kind).environment,
            sandbox,
            run_id=run_id,
            folder=output,
            on_verdict=lambda verdict: say(f"{verdict.id}: {verdict.outcome}"),
        )
    finally:
        sandbox.close()


def print_verdicts(verdicts: list[Verdict]) -> None:
    """The verdicts as a table, and how many are resolved."""
    from codemonkeys.report.tables import new_table, plain

    table = new_table("task", "verdict", "fail to pass", "pass to pass", "detail")
    for v in verdicts:
        counts = [f"{good} of {good + bad}" for good, bad in (v.tests.get(n, (0, 0)) for n in TEST_LISTS)]
        style = "green" if v.resolved else "yellow" if v.outcome is Outcome.INFRASTRUCTURE else "red"
        table.add_row(
            plain(v.id), plain(v.outcome, style), *counts, plain(v.detail.splitlines()[0] if v.detail else "")
        )
    out().print(table)
    infrastructure = sum(v.outcome is Outcome.INFRASTRUCTURE for v in verdicts)
    graded = len(verdicts) - infrastructure
    print(f"{sum(v.resolved for v in verdicts)} of {graded} graded predictions are resolved.")
    if infrastructure:
        print(f"{infrastructure} could not be graded, for reasons of the infrastructure; run the command again.")


TEST_LISTS = ("FAIL_TO_PASS", "PASS_TO_PASS")

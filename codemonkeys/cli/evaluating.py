"""`evaluate`: grading by the hidden tests."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from codemonkeys.cli.console import out, print_json, say
from codemonkeys.cli.exits import Exit
from codemonkeys.errors import BadInput
from codemonkeys.grading.evaluation import Grader, HarnessGrader, Outcome, SandboxGrader, Verdict, evaluate
from codemonkeys.journal import queries, run_files
from codemonkeys.runs.session import choose_sandbox
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.environments import default_home, prepare
from codemonkeys.tasks.images import ensure_image
from codemonkeys.tasks.predictions import Prediction, read_predictions
from codemonkeys.tasks.sources import load_tasks
from sandboxes import open_sandbox


@dataclass(frozen=True)
class How:
    """How predictions are to be graded."""

    sandbox: str | None = None
    """local, docker, or what works here."""
    isolated: bool = False
    """On Docker, not by the harness itself, whose containers have a network, but in ours."""
    workers: int | None = None
    """Tasks at one time; None: as many as there are processors."""
    repeats: int = 1
    again: bool = False
    """Whether to grade anew what the logs tell about already."""


def evaluate_command(given: str, dataset: str | None, how: How, output: Path | None, runs: Path, as_json: bool) -> Exit:
    """Grade a run or a predictions file."""
    path = Path(given)
    if path.suffix in (".json", ".jsonl"):
        if dataset is None:
            raise BadInput(f"name the dataset of the tasks in {given}: codemonkeys evaluate {given} DATASET")
        verdicts = grade_predictions(read_predictions(path), dataset, how, path.stem, output or Path())
    else:
        with run_files.reading(run_files.database_of(runs, given)) as connection:
            source = queries.run_overview(connection)["source"]
        verdicts = grade(runs, given, dataset or source, how, output or runs / given)
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
    how: How,
    output: Path,
    predictions: dict[str, Prediction] | None = None,
) -> list[Verdict]:
    """Grade the predictions of a run and record the verdicts in its journal, where selection never looks.

    `predictions`: other patches for its tasks, to be graded instead.
    """
    from codemonkeys.journal.verdicts import GradedPatch, Grading, put_verdicts

    database = run_files.database_of(runs, name)
    run_files.RunLock(database.parent).release()  # a run that is busy is refused before the work, not after it
    if predictions is None:
        with run_files.reading(database) as connection:
            rows = queries.predictions(connection)
        predictions = {row["instance_id"]: Prediction(**row) for row in rows}
    verdicts = grade_predictions(predictions, source, how, name, output)

    def record(v: Verdict) -> Grading:
        return Grading(v.outcome, v.detail, v.tests, v.seconds)

    graded = {
        v.id: GradedPatch(
            predictions[v.id].model_patch, record(v), [record(one) for one in v.repeats or (v,)], v.flags, v.unstable
        )
        for v in verdicts
    }
    put_verdicts(database, graded)
    return verdicts


def grade_predictions(
    predictions: dict[str, Prediction], source: str, how: How, run_id: str, output: Path
) -> list[Verdict]:
    """Grade predictions of a dataset's tasks."""
    if not predictions:
        return []
    tasks = {task.id: task for task in load_tasks(source, list(predictions))}
    keys = load_answer_keys(source, list(predictions))
    told = 0

    def tell(verdict: Verdict) -> None:
        nonlocal told
        told += 1
        say(f"{verdict.id}: {verdict.outcome} ({told} of {len(predictions) * how.repeats})")

    with open_grader(tasks, how, run_id) as grader:
        return evaluate(
            predictions,
            keys,
            grader,
            run_id=run_id,
            folder=output,
            workers=how.workers or os.cpu_count() or 1,
            repeats=how.repeats,
            again=how.again,
            dataset=source,
            on_verdict=tell,
        )


@contextmanager
def open_grader(tasks: dict[str, Task], how: How, run_id: str) -> Iterator[Grader]:
    """The official harness where there is Docker, unless isolation was asked for; else a sandbox of ours."""
    kind = choose_sandbox(how.sandbox or "auto", list(tasks.values()))
    home = default_home()
    if kind == "docker" and not how.isolated:
        yield HarnessGrader(lambda id: ensure_image(tasks[id], home))
        return
    sandbox = open_sandbox(kind, f"evaluate-{run_id}")
    try:
        yield SandboxGrader(lambda id: prepare(tasks[id], home, kind).environment, sandbox)
    finally:
        sandbox.close()


def print_verdicts(verdicts: list[Verdict]) -> None:
    """The verdicts as a table, and how many are resolved."""
    from codemonkeys.report.tables import new_table, plain

    table = new_table("task", "verdict", "fail to pass", "pass to pass", "detail", "the patch touches")
    for v in verdicts:
        counts = [f"{good} of {good + bad}" for good, bad in (v.tests.get(n, (0, 0)) for n in TEST_LISTS)]
        style = "green" if v.resolved else "yellow" if v.outcome is Outcome.INFRASTRUCTURE else "red"
        found = f"{v.outcome}, unstable" if v.unstable else v.outcome
        detail = v.detail.splitlines()[0] if v.detail else ""
        table.add_row(plain(v.id), plain(found, style), *counts, plain(detail), plain(", ".join(v.flags), "yellow"))
    out().print(table)
    infrastructure = sum(v.outcome is Outcome.INFRASTRUCTURE for v in verdicts)
    graded = len(verdicts) - infrastructure
    print(f"{sum(v.resolved for v in verdicts)} of {graded} graded predictions are resolved.")
    if infrastructure:
        print(f"{infrastructure} could not be graded, for reasons of the infrastructure; run the command again.")
    if unstable := sum(v.unstable for v in verdicts):
        print(f"{unstable} are unstable: repeats disagreed, the verdict is what most of them found.")
    if flagged := sum(bool(v.flags) for v in verdicts):
        print(f"{flagged} touch what decides how tests run: look at these patches before you count them.")


TEST_LISTS = ("FAIL_TO_PASS", "PASS_TO_PASS")

"""Grades the predictions of a file or of a run, in the sandbox that works here, and records what was found."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from codemonkeys.grading.evaluation import Grader, evaluate
from codemonkeys.grading.official import HarnessGrader
from codemonkeys.grading.sandboxed import SandboxGrader
from codemonkeys.grading.verdict import Verdict
from codemonkeys.journal import queries, run_files
from codemonkeys.journal.verdicts import GradedPatch, Grading, put_verdicts
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.backends import AUTO, choose_backend
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.environments import default_home, prepare
from codemonkeys.tasks.images import ensure_image
from codemonkeys.tasks.predictions import Prediction
from codemonkeys.tasks.sources import load_tasks


@dataclass(frozen=True)
class GradingOptions:
    """How predictions are to be graded."""

    sandbox: str | None = None
    """As `sandbox.kind`; None: the first that works here."""
    isolated: bool = False
    """On Docker, not by the harness itself, whose containers have a network, but in ours."""
    workers: int | None = None
    """Tasks at a time; None: as many as there are processors."""
    repeats: int = 1
    """Grade each prediction this often; the majority counts."""
    again: bool = False
    """Grade anew what the logs tell about already."""


def quiet(verdict: Verdict) -> None:
    """Tell nobody."""


def grade_run(
    runs: Path,
    name: str,
    source: str | None,
    options: GradingOptions,
    output: Path | None = None,
    predictions: Mapping[str, Prediction] | None = None,
    on_verdict: Callable[[Verdict], None] = quiet,
) -> list[Verdict]:
    """Grade the predictions of a run and record the verdicts in its journal, where selection never looks.

    `source`: of the tasks; that of the run if None. `output`: folder for logs; the run's own if None. `predictions`:
    other patches for its tasks, to be graded instead. `on_verdict` is told each as it falls, maybe from another thread.
    Raises RunBusy, BadInput and its kin, SandboxUnavailable.
    """
    database = run_files.database_of(runs, name)
    run_files.RunLock(database.parent).release()  # A run that is busy is refused before the work, not after it.
    with run_files.reading(database) as connection:
        source = source or str(queries.run_overview(connection)["source"])
        if predictions is None:
            predictions = {row["instance_id"]: Prediction(**row) for row in queries.predictions(connection)}
    verdicts = grade_predictions(predictions, source, options, name, output or database.parent, on_verdict)
    put_verdicts(database, {v.id: _graded(v, predictions[v.id].model_patch) for v in verdicts})
    return verdicts


def _graded(verdict: Verdict, patch: str) -> GradedPatch:
    def grading(v: Verdict) -> Grading:
        return Grading(v.outcome, v.detail, v.tests, v.seconds)

    repeats = [grading(one) for one in verdict.repeats or (verdict,)]
    return GradedPatch(patch, grading(verdict), repeats, verdict.flags, verdict.unstable)


def grade_predictions(
    predictions: Mapping[str, Prediction],
    source: str,
    options: GradingOptions,
    run_id: str,
    output: Path,
    on_verdict: Callable[[Verdict], None] = quiet,
) -> list[Verdict]:
    """Grade predictions for tasks of a source; logs and a summary are left in `output`."""
    if not predictions:
        return []
    tasks = {task.id: task for task in load_tasks(source, list(predictions))}
    keys = load_answer_keys(source, list(predictions))
    with open_grader(tasks, options, run_id) as grader:
        return evaluate(
            predictions,
            keys,
            grader,
            run_id=run_id,
            folder=output,
            workers=options.workers or os.cpu_count() or 1,
            repeats=options.repeats,
            again=options.again,
            dataset=source,
            on_verdict=on_verdict,
        )


@contextmanager
def open_grader(tasks: Mapping[str, Task], options: GradingOptions, run_id: str) -> Iterator[Grader]:
    """The official harness if the sandbox is `docker`, unless isolation was asked for; else the sandbox."""
    home = default_home()
    name, backend = choose_backend(options.sandbox or AUTO, list(tasks.values()), home)
    if name == "docker" and not options.isolated:
        yield HarnessGrader(lambda id: ensure_image(tasks[id], home))
        return
    sandbox = backend.open(f"evaluate-{run_id}")
    try:
        yield SandboxGrader(lambda id: prepare(tasks[id], home, backend.environment).environment, sandbox)
    finally:
        sandbox.close()

"""Official grading: run the hidden tests on predictions, by the swebench harness or in one of our sandboxes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from codemonkeys.errors import BadInput, BadRecord, UnknownDataset
from codemonkeys.generation.flags import suspicious
from codemonkeys.grading.layout import log_folder, log_root, remove_logs, stored_verdict, write_run, write_summary
from codemonkeys.grading.official import HarnessGrader
from codemonkeys.grading.sandboxed import LIMITS, Job, SandboxGrader
from codemonkeys.grading.verdict import Outcome, Verdict, majority
from codemonkeys.journal.run_files import RunLock
from codemonkeys.tasks.answer_key import AnswerKey
from codemonkeys.tasks.predictions import UNSAFE_NAME, Prediction

__all__ = [
    "LIMITS",
    "Grader",
    "HarnessGrader",
    "Job",
    "Outcome",
    "SandboxGrader",
    "Verdict",
    "evaluate",
    "log_folder",
    "write_summary",
]


class Grader(Protocol):
    """Runs hidden tests: by the official harness, or in a sandbox."""

    def check(self, key: AnswerKey) -> None:
        """Raise BadRecord for a task that this grader cannot grade."""
        ...

    def grade(
        self, jobs: Sequence[Job], run_id: str, folder: Path, workers: int, on_verdict: Callable[[Verdict], None]
    ) -> None:
        """Run the jobs, `workers` at a time; call `on_verdict` with each. A failing task does not stop the others."""
        ...


def evaluate(
    predictions: Mapping[str, Prediction],
    keys: Mapping[str, AnswerKey],
    grader: Grader,
    *,
    run_id: str,
    folder: Path,
    workers: int = 1,
    repeats: int = 1,
    again: bool = True,
    dataset: str = "",
    on_verdict: Callable[[Verdict], None] = lambda _: None,
) -> list[Verdict]:
    """Grade predictions, in the order of their ids.

    `repeats`: gradings per prediction; the verdict is their majority. Unless `again`, verdicts that earlier logs hold
    for the same patch and the same tests are reused, except infrastructure failures. `on_verdict` is called with each
    verdict as it arrives, possibly from another thread. Logs and the summary are written to `folder` in swebench's
    layout: `logs/run_evaluation/RUN_ID/MODEL/ID/` and `MODEL.RUN_ID.json`; repeat N has the run id `RUN_ID.N`.
    Raises UnknownDataset for a prediction without an answer key, BadRecord for a key without hidden tests, RunBusy if
    another process is writing these logs.
    """
    if "/" in run_id or UNSAFE_NAME.search(run_id):
        raise BadInput(f"run id {run_id!r} cannot be a folder name; use letters, digits, '.', '_' and '-'")
    for id in predictions:
        if id not in keys:
            raise UnknownDataset(f"prediction {id} is not in the dataset; remove it")
        _check_gradable(keys[id])
        grader.check(keys[id])
    if not predictions:
        return []
    gradings: dict[str, list[Verdict]] = {id: [] for id in sorted(predictions)}
    for repeat in range(1, repeats + 1):
        name = run_id if repeat == 1 else f"{run_id}.{repeat}"
        for verdict in _grade_once(predictions, keys, grader, name, folder, workers, again, dataset, on_verdict):
            gradings[verdict.id].append(verdict)
    return [
        replace(majority(found), flags=suspicious(predictions[id].model_patch, keys[id].test_patch))
        for id, found in gradings.items()
    ]


def _grade_once(
    predictions: Mapping[str, Prediction],
    keys: Mapping[str, AnswerKey],
    grader: Grader,
    run_id: str,
    folder: Path,
    workers: int,
    again: bool,
    dataset: str,
    on_verdict: Callable[[Verdict], None],
) -> list[Verdict]:
    verdicts: dict[str, Verdict] = {}

    def record(verdict: Verdict) -> None:
        verdicts[verdict.id] = verdict
        on_verdict(verdict)

    root = log_root(folder, run_id)
    root.mkdir(parents=True, exist_ok=True)
    lock = RunLock(root)
    try:
        jobs = []
        for id in sorted(predictions):
            prediction, key = predictions[id], keys[id]
            log = log_folder(folder, run_id, prediction)
            if not again and (stored := stored_verdict(log, id, key, prediction.model_patch)):
                record(stored)
                continue
            remove_logs(log)
            if prediction.model_patch.strip():
                jobs.append(Job(prediction, key, log))
            else:
                record(Verdict(id, Outcome.EMPTY_PATCH))
        if jobs:
            grader.grade(jobs, run_id, folder, workers, record)
        write_run(root, dataset)
        write_summary(predictions, keys, verdicts, run_id=run_id, folder=folder)
    finally:
        lock.release()
    return [verdicts[id] for id in sorted(predictions)]


def _check_gradable(key: AnswerKey) -> None:
    columns = {"eval_script": key.eval_script, "log_parser": key.log_parser, "FAIL_TO_PASS": key.FAIL_TO_PASS}
    if missing := [name for name, value in columns.items() if not value]:
        raise BadRecord(
            f"{key.instance_id}: the dataset has no {', '.join(missing)}, which grading needs; "
            "use a dataset in the format of SWE-bench 5"
        )

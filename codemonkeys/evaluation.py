"""Official grading: the hidden tests run in a sandbox, swebench itself decides what their log means."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadInput, BadRecord, EnvironmentFailed, UnknownDataset
from codemonkeys.files import write_whole
from codemonkeys.predictions import UNSAFE_NAME, Prediction
from codemonkeys.tasks.answer_key import AnswerKey
from sandboxes.base import Environment, Execution, Limits, Reason, Sandbox, Script

LIMITS = Limits(seconds=1800, memory_mb=8192, processes=1024, output_bytes=64 << 20, disk_mb=8192)
"""What one task's hidden tests may use; the time is the harness's own default."""

SANDBOX_ATTEMPTS = 3


class Outcome(StrEnum):
    """What grading found."""

    RESOLVED = "resolved"
    NOT_RESOLVED = "not resolved"
    EMPTY_PATCH = "empty patch"
    PATCH_FAILED = "patch did not apply"
    LIMIT_REACHED = "tests reached a limit"
    """They timed out, ran out of memory or wrote without end; the detail says which."""
    INFRASTRUCTURE = "infrastructure failure"
    """Nothing is known about the patch: it is not to be counted as wrong."""


@dataclass(frozen=True)
class Verdict:
    """The grading of one prediction."""

    id: str
    outcome: Outcome
    detail: str = ""
    tests: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    """For FAIL_TO_PASS and PASS_TO_PASS, how many behave as they should and how many do not."""
    seconds: float = 0.0
    """Wall-clock time of the tests."""

    @property
    def resolved(self) -> bool:
        """The hidden tests behave as with the reference fix."""
        return self.outcome is Outcome.RESOLVED


def evaluate(
    predictions: Mapping[str, Prediction],
    keys: Mapping[str, AnswerKey],
    environment: Callable[[str], Environment],
    sandbox: Sandbox,
    *,
    run_id: str,
    folder: Path,
    workers: int = 1,
    limits: Limits = LIMITS,
    on_verdict: Callable[[Verdict], None] = lambda _: None,
) -> list[Verdict]:
    """Grade predictions, in the order of their ids; one task's failure stops no other.

    `environment` gives the place where a task's tests run, and may raise EnvironmentFailed. `on_verdict` is told each
    verdict as it falls, from a worker's thread. Logs and the summary are left in `folder` as swebench lays them out:
    `logs/run_evaluation/RUN_ID/MODEL/ID/` and `MODEL.RUN_ID.json`.
    Raises UnknownDataset for a prediction without an answer key, BadRecord for a key without hidden tests.
    """
    if "/" in run_id or UNSAFE_NAME.search(run_id):
        raise BadInput(f"run id {run_id!r} cannot be the name of a folder; use letters, digits, '.', '_' and '-'")
    for id in predictions:
        if id not in keys:
            raise UnknownDataset(f"a prediction is for {id}, of which the dataset knows nothing; drop it")
        _check_gradable(keys[id])

    def grade(id: str) -> Verdict:
        log = log_folder(folder, run_id, predictions[id])
        verdict = _grade(predictions[id], keys[id], environment, sandbox, log, limits)
        on_verdict(verdict)
        return verdict

    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="grade") as pool:
        verdicts = list(pool.map(grade, sorted(predictions)))
    if predictions:
        write_summary(predictions, keys, run_id=run_id, folder=folder)
    return verdicts


def log_folder(folder: Path, run_id: str, prediction: Prediction) -> Path:
    """Where the logs of one prediction lie."""
    model = prediction.model_name_or_path.replace("/", "__")
    return folder / "logs" / "run_evaluation" / run_id / model / prediction.instance_id


def _check_gradable(key: AnswerKey) -> None:
    columns = {"eval_script": key.eval_script, "log_parser": key.log_parser, "FAIL_TO_PASS": key.FAIL_TO_PASS}
    if missing := [name for name, value in columns.items() if not value]:
        raise BadRecord(
            f"{key.instance_id}: the dataset has no {', '.join(missing)}, without which nothing can be graded; "
            "take a data set in the form of SWE-bench 5"
        )
    if key.image_assets:
        raise BadRecord(f"{key.instance_id}: its tests need binary assets; grade it with `swebench eval`")


def _grade(
    prediction: Prediction,
    key: AnswerKey,
    environment: Callable[[str], Environment],
    sandbox: Sandbox,
    log: Path,
    limits: Limits,
) -> Verdict:
    from swebench.harness.constants import APPLY_PATCH_FAIL
    from swebench.harness.grading import get_eval_report
    from swebench.harness.utils import make_test_spec

    id, patch = prediction.instance_id, prediction.model_patch
    for name in ("report.json", "test_output.txt", "run_instance.log"):
        (log / name).unlink(missing_ok=True)  # an earlier grading says nothing about this one
    if not patch.strip():
        return Verdict(id, Outcome.EMPTY_PATCH)
    spec = make_test_spec(asdict(key))
    write_whole(log / "patch.diff", patch)
    write_whole(log / "eval.sh", spec.eval_script)
    try:
        place = environment(id)
    except EnvironmentFailed as error:
        write_whole(log / "run_instance.log", f"{error}\n")
        return Verdict(id, Outcome.INFRASTRUCTURE, str(error))

    execution = _run(sandbox, place, spec.eval_script, patch, limits)
    if execution.reason is Reason.PATCH_FAILED:
        refusal = execution.output
        execution = _run(sandbox, place, _lenient(patch) + spec.eval_script, None, limits)
        if execution.output.startswith(APPLY_PATCH_FAIL):
            write_whole(log / "run_instance.log", f"{APPLY_PATCH_FAIL}:\n{refusal}\n")
            return Verdict(id, Outcome.PATCH_FAILED, refusal.strip())
    if execution.reason is Reason.SANDBOX_FAILED:
        write_whole(log / "run_instance.log", f"{execution.detail}\n")
        return Verdict(id, Outcome.INFRASTRUCTURE, execution.detail)
    if execution.reason in (Reason.TIMED_OUT, Reason.OUT_OF_MEMORY, Reason.OUTPUT_LIMIT):
        late = execution.reason is Reason.TIMED_OUT
        note = f"Timeout error: {limits.seconds:g} seconds exceeded." if late else f"Stopped: {execution.reason}."
        write_whole(log / "test_output.txt", f"{execution.output}\n\n{note}")
        return Verdict(id, Outcome.LIMIT_REACHED, str(execution.reason), seconds=execution.seconds)

    write_whole(log / "test_output.txt", execution.output)
    report = get_eval_report(spec, asdict(prediction), str(log / "test_output.txt"), include_tests_status=True)
    write_whole(log / "report.json", json.dumps(report, indent=4))
    return _verdict(id, report[id], execution.seconds)


def _run(sandbox: Sandbox, place: Environment, text: str, patch: str | None, limits: Limits) -> Execution:
    script = Script(text=text, name="eval.sh", command=("bash",))
    for _ in range(SANDBOX_ATTEMPTS):
        execution = sandbox.run(place, script, patch, limits)
        if execution.reason is not Reason.SANDBOX_FAILED:
            break
    return execution


def _lenient(patch: str) -> str:
    """Shell lines that apply a patch which git refuses, as leniently as the harness does.

    The patch travels as base64, so nothing in it can be read as shell.
    """
    from swebench.harness.constants import APPLY_PATCH_FAIL
    from swebench.harness.run_evaluation import GIT_APPLY_CMDS

    packed = base64.encodebytes(patch.encode("utf-8", "surrogateescape")).decode()
    first, *others = [f"{command} $patch" for command in GIT_APPLY_CMDS]
    attempts = " || ".join([first, *[f"{{ reset; {command}; }}" for command in others]])
    return (
        f"patch=$(mktemp)\nbase64 -d >$patch <<'END'\n{packed}END\n"
        "reset() { git checkout -- .; git clean -fd; }\n"
        f"{{ {attempts} || git apply --check --reverse $patch; }} >/dev/null 2>&1 ||\n"
        f"{{ echo '{APPLY_PATCH_FAIL}'; exit 1; }}\n"
    )


def _verdict(id: str, report: Mapping[str, Any], seconds: float) -> Verdict:
    """swebench's report of one task, as a verdict."""
    tests = {
        name: (len(status["success"]), len(status["failure"]))
        for name, status in report.get("tests_status", {}).items()
        if name in ("FAIL_TO_PASS", "PASS_TO_PASS")
    }
    if report["resolved"]:
        return Verdict(id, Outcome.RESOLVED, "", tests, seconds)
    why = report.get("infra_failure_reason", "" if tests else "the log holds no test results")
    return Verdict(id, Outcome.INFRASTRUCTURE if report["infra_failure"] else Outcome.NOT_RESOLVED, why, tests, seconds)


def write_summary(
    predictions: Mapping[str, Prediction], keys: Mapping[str, AnswerKey], *, run_id: str, folder: Path
) -> Path:
    """Write the summary of a run, in version 2 of swebench's schema, from the logs it left; returns its path."""
    from swebench.harness.infra_failure import TIER_ENVIRONMENT, classify_logs

    ids: dict[str, list[str]] = {
        name: []
        for name in (
            *("completed", "incomplete", "empty_patch", "submitted", "resolved", "unresolved"),
            *("infra_failure", "ambiguous_failure", "error"),
        )
    }
    ids["submitted"] = sorted(predictions)
    reasons: dict[str, str] = {}
    for id in sorted(keys):
        if id not in predictions:
            ids["incomplete"].append(id)
            continue
        if not predictions[id].model_patch.strip():
            ids["empty_patch"].append(id)
            continue
        log = log_folder(folder, run_id, predictions[id])
        if (log / "report.json").is_file():
            ids["completed"].append(id)
            resolved = json.loads((log / "report.json").read_text(encoding="utf-8"))[id]["resolved"]
            ids["resolved" if resolved else "unresolved"].append(id)
        else:
            resolved = False
            ids["error"].append(id)
        if not resolved and (found := classify_logs(log / "test_output.txt", log / "run_instance.log")):
            reasons[id], tier = found
            ids["infra_failure" if tier == TIER_ENVIRONMENT else "ambiguous_failure"].append(id)
    summary: dict[str, Any] = {"total_instances": len(keys)}
    summary |= {f"{name}_instances": len(found) for name, found in ids.items() if name != "incomplete"}
    summary |= {f"{name}_ids": found for name, found in ids.items()}
    summary |= {"failure_reasons": reasons, "schema_version": 2}
    model = next(iter(predictions.values())).model_name_or_path.replace("/", "__")
    path = folder / f"{model}.{run_id}.json"
    write_whole(path, json.dumps(summary, indent=4) + "\n")
    return path

"""Files that grading writes, in swebench's layout."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from codemonkeys.grading.verdict import Outcome, Verdict
from codemonkeys.system.files import write_whole
from codemonkeys.tasks.answer_key import AnswerKey
from codemonkeys.tasks.predictions import Prediction

REPORT, TEST_OUTPUT, LOG = "report.json", "test_output.txt", "run_instance.log"
UNAVAILABLE = "environment_unavailable"
"""Reason in the summary for infrastructure failures that the logs do not show."""


def log_root(folder: Path, run_id: str) -> Path:
    """Folder with all logs of one evaluation."""
    return folder / "logs" / "run_evaluation" / run_id


def log_folder(folder: Path, run_id: str, prediction: Prediction) -> Path:
    """Folder with the logs of one grading."""
    model = prediction.model_name_or_path.replace("/", "__")
    return log_root(folder, run_id) / model / prediction.instance_id


def spec_of(key: AnswerKey) -> Any:
    """The answer key as a swebench TestSpec."""
    from swebench.harness.utils import make_test_spec

    return make_test_spec(asdict(key))


def eval_text(key: AnswerKey) -> str:
    """What `eval.sh` of a log holds: the script, and of a data set with a way of its own what else decides."""
    script = str(spec_of(key).eval_script)
    if key.log_parser.startswith("parse_log_") or not (key.test_patch or key.grading):
        return script
    more = json.dumps([key.test_patch, key.grading, key.FAIL_TO_PASS, key.PASS_TO_PASS], sort_keys=True, default=str)
    return f"{script}\n# Hidden tests and parser: {hashlib.sha256(more.encode()).hexdigest()}\n"


def remove_logs(log: Path) -> None:
    """Remove the results of an earlier grading, which must not be taken for this one's."""
    for name in (REPORT, TEST_OUTPUT, LOG):
        (log / name).unlink(missing_ok=True)


def read_report(path: Path, id: str) -> dict[str, Any] | None:
    """One task's entry in a `report.json`; None if it is missing or truncated."""
    try:
        report = json.loads(path.read_bytes())[id]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return report if isinstance(report, dict) and isinstance(report.get("resolved"), bool) else None


def stored_verdict(log: Path, id: str, key: AnswerKey, patch: str) -> Verdict | None:
    """The verdict in earlier logs for exactly this patch and these tests; None without one."""
    report = read_report(log / REPORT, id)
    if report is None:
        return None
    try:
        graded = (log / "patch.diff").read_bytes(), (log / "eval.sh").read_bytes()
    except OSError:
        return None
    if graded != (patch.encode(errors="surrogateescape"), eval_text(key).encode(errors="surrogateescape")):
        return None
    verdict = verdict_of(id, report)
    return None if verdict.outcome is Outcome.INFRASTRUCTURE else verdict


def verdict_of(id: str, report: Mapping[str, Any], seconds: float = 0.0) -> Verdict:
    """Convert swebench's report on one task to a verdict."""
    tests = {
        name: (len(status["success"]), len(status["failure"]))
        for name, status in report.get("tests_status", {}).items()
        if name in ("FAIL_TO_PASS", "PASS_TO_PASS")
    }
    if report["resolved"]:
        return Verdict(id, Outcome.RESOLVED, "", tests, seconds)
    why = report.get("infra_failure_reason", "" if tests else "the log holds no test results")
    return Verdict(id, Outcome.INFRASTRUCTURE if report["infra_failure"] else Outcome.NOT_RESOLVED, why, tests, seconds)


def write_run(root: Path, dataset: str) -> None:
    """Write `run.json`, which names the dataset used for grading."""
    about = {
        "dataset": dataset,
        "split": "test",
        "task_repo": dataset if Path(dataset).is_dir() else None,
        "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_whole(root / "run.json", json.dumps(about, indent=2) + "\n")


def write_summary(
    predictions: Mapping[str, Prediction],
    keys: Mapping[str, AnswerKey],
    verdicts: Mapping[str, Verdict],
    *,
    run_id: str,
    folder: Path,
) -> Path:
    """Write the summary of a run from its logs, in version 2 of swebench's schema; returns its path.

    Same as swebench's own summary, plus infrastructure failures that only our verdicts show.
    """
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
        report = read_report(log / REPORT, id)
        resolved = report is not None and report["resolved"]
        if report is None:
            ids["error"].append(id)
        else:
            ids["completed"].append(id)
            ids["resolved" if resolved else "unresolved"].append(id)
        if resolved:
            continue
        found = classify_logs(log / TEST_OUTPUT, log / LOG)
        known = id in verdicts and verdicts[id].outcome is Outcome.INFRASTRUCTURE
        if known and (found is None or found[1] != TIER_ENVIRONMENT):
            found = UNAVAILABLE, TIER_ENVIRONMENT
        if found:
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

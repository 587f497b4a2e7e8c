"""Runs a test file of the repository, or one of its tests, because a model asked for it."""

from __future__ import annotations

import json
from collections import Counter
from importlib import resources
from pathlib import PurePosixPath
from typing import Any

from codemonkeys.context.languages import language_of
from codemonkeys.engine.executions import ExecutionRequest
from codemonkeys.engine.work import Work
from codemonkeys.generation.edited_tree import Found
from codemonkeys.generation.look_ups import RunTests
from codemonkeys.keys import StepKey
from sandboxes.base import Execution, Limits, Reason, Script

MARGIN_SECONDS = 30.0
"""Time for the runner to report after the tests' time limit."""
OUTPUT_BYTES = 16 << 20
OUTCOMES = ("passed", "failed", "error", "skipped", "expected failure", "running")


async def run_tests(work: Work, key: StepKey, asked: RunTests, patch: str) -> Found:
    """Run tests on the edited repository, or on the unedited one if the patch is empty.

    The tests and the configuration of their runner are run as they were committed, whatever the patch does to them.
    """
    if problem := _cannot_run(work, asked):
        return Found(problem)
    seconds, settings = work.settings.sandbox.seconds, work.settings.sandbox
    configuration = [e.path for e in work.snapshot.entries if PurePosixPath(e.path).name == "conftest.py"]
    plan = {
        "files": [f"{asked.path}::{asked.name}" if asked.name else asked.path],
        "restore": [asked.path, *configuration],
        "wanted": None,
        "seconds": seconds,
    }
    limits = Limits(
        seconds=seconds + MARGIN_SECONDS,
        memory_mb=settings.memory_mb,
        processes=settings.processes,
        output_bytes=OUTPUT_BYTES,
    )
    script = Script(program(plan), "regression_tests.py", ("python",))
    return report(
        await work.steps.executions.run(key, ExecutionRequest(work.environment, script, patch or None, limits))
    )


def _cannot_run(work: Work, asked: RunTests) -> str:
    """Why a test cannot be run; empty if it can."""
    if work.task.language.lower() not in ("", "python") or language_of(asked.path) != "python":
        return "it cannot be run: only tests that pytest collects from a Python file can."
    if asked.path not in work.snapshot or not work.snapshot.entry(asked.path).is_file:
        return "there is no such file in the unedited repository. FIND a word of it."
    if asked.path.startswith("-"):
        return "it cannot be run: its name is read as an option."
    return ""


def report(execution: Execution) -> Found:
    """What became of the tests."""
    if execution.reason is not Reason.EXITED:
        return Found(f"the tests could not be run: {execution.reason.value}.")
    try:
        told: dict[str, Any] = json.loads(execution.output.splitlines()[-1])
        outcomes, end, timed_out = dict(told["tests"]), told["exit"], bool(told["timed_out"])
        output = str(told["said"])
    except (IndexError, ValueError, KeyError, TypeError):
        return Found("the tests could not be run: their runner did not report.")
    if end == "no pytest":
        return Found("the tests could not be run: the environment has no pytest.")
    counts = Counter(outcome if outcome in OUTCOMES else "unknown" for outcome in outcomes.values())
    parts = [f"{count} {outcome}" for outcome, count in sorted(counts.items())] or ["no test was collected"]
    late = ["the time was over before all had ended"] * timed_out
    return Found(f"{', '.join([*parts, *late])}.", output)


def program(plan: dict[str, Any]) -> str:
    """The source of the test runner, followed by a call that executes a plan."""
    runner = resources.files("codemonkeys").joinpath("selection/pytest_runner.py").read_text("utf-8")
    call = f"    run(json.loads({json.dumps(plan)!r}))\n"
    return f"{runner}\n\nif __name__ == '__main__' and not sys.argv[1:]:\n{call}"

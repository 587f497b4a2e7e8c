"""Regression tests as version 0.1 ran them: a run that it began goes on with the same executions."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from codemonkeys.engine.executions import ExecutionRequest
from codemonkeys.engine.work import Work
from codemonkeys.generation.patch import patch_paths
from codemonkeys.keys import StepKey
from codemonkeys.repository_tests.relevant_tests import relevant_tests
from codemonkeys.selection.regressions import Regressions
from codemonkeys.selection.votes import NumberedCandidate
from codemonkeys.stages import REGRESSION
from sandboxes.base import Execution, Limits, Reason, Script

REPEAT_FACTOR = 2.0
"""Time limit of later runs relative to the first: a slower run is not a regression."""
MARGIN_SECONDS = 30.0
"""Extra time for the runner to report after the tests' time limit."""
OUTPUT_BYTES = 16 << 20
MOST_TESTS = 10_000


@dataclass(frozen=True)
class PytestReport:
    """The report of one run of the repository's tests."""

    outcomes: dict[str, str]
    ended: bool
    """False if the tests timed out. If True, a test without an outcome did not pass."""
    why: str = ""
    """Why there are no outcomes, if so."""
    said: str = ""
    """The last of what the tests printed."""


async def run_older_regressions(work: Work, candidates: Sequence[NumberedCandidate]) -> Regressions:
    """Find the tests most relevant to the touched files, and run them on each candidate."""
    settings = work.settings.selection
    if settings.regression_files == 0:
        return Regressions()
    if work.task.language.lower() not in ("", "python"):
        return await _without(work, f"no runner is known for the tests of a {work.task.language} repository")
    # With more candidates, other files may be touched and other tests be relevant: those are separate steps.
    turn = len(candidates)
    touched = Counter(path for c in candidates for path in patch_paths(c.candidate.patch))
    files = await work.in_thread(relevant_tests, work.snapshot, touched, settings.regression_files, older=True)
    if not files:
        return await _without(work, "no test file matters to the files that the candidates touch")

    first = read(await _run(work, 0, turn, "original", files, None, settings.regression_seconds))
    passed = sorted(name for name, outcome in first.outcomes.items() if outcome == "passed")[:MOST_TESTS]
    if not passed:
        return await _without(work, first.why or "no test passes on the unedited code", files)
    seconds = settings.regression_seconds * REPEAT_FACTOR
    async with asyncio.TaskGroup() as group:
        # The same script that runs on the candidates: a test that fails now is flaky, or depends on one left out.
        again = group.create_task(_run(work, 0, turn, "repeated", files, passed, seconds))
        edited = [
            group.create_task(_run(work, c.number, turn, "edited", files, passed, seconds, c.candidate.patch))
            for c in candidates
        ]
    repeated = read(again.result()).outcomes
    tests = tuple(name for name in passed if repeated.get(name) == "passed")
    broken = tuple(broken_by(task.result(), tests) for task in edited)
    flaky = [name for name in passed if name not in set(tests)]
    await work.note(REGRESSION, "tests", {"files": files, "passing": len(tests), "flaky": flaky})
    return Regressions(tests, broken, tuple(read(task.result()).said for task in edited))


def broken_by(execution: Execution, tests: Sequence[str]) -> tuple[str, ...] | None:
    """The tests that did not pass; None if the run gave no report. After a timeout, unreached tests do not count."""
    report = read(execution)
    if report.why:
        return None
    unreached = "missing" if report.ended else "passed"
    return tuple(name for name in tests if report.outcomes.get(name, unreached) != "passed")


def read(execution: Execution) -> PytestReport:
    """The report, from the last line of the output."""
    if execution.reason is not Reason.EXITED:
        return PytestReport({}, False, f"the tests could not be run: {execution.reason.value}")
    lines = execution.output.splitlines()
    try:
        report: dict[str, Any] = json.loads(lines[-1])
        outcomes = {str(name): str(outcome) for name, outcome in report["tests"].items()}
        end, timed_out, said = report["exit"], bool(report["timed_out"]), str(report.get("said", ""))
    except (IndexError, ValueError, KeyError, TypeError, AttributeError):
        return PytestReport({}, False, "the tests could not be run: no report from their runner")
    if end == "no pytest":
        return PytestReport({}, False, "the tests could not be run: the environment has no pytest")
    return PytestReport(outcomes, not timed_out, said=said)


async def _run(
    work: Work,
    number: int,
    turn: int,
    part: str,
    files: Sequence[str],
    wanted: Sequence[str] | None,
    seconds: float,
    patch: str | None = None,
) -> Execution:
    configuration = [e.path for e in work.snapshot.entries if PurePosixPath(e.path).name == "conftest.py"]
    plan = {"files": files, "restore": [*files, *configuration], "wanted": wanted, "seconds": seconds}
    limits = Limits(
        seconds=seconds + MARGIN_SECONDS,
        memory_mb=work.settings.sandbox.memory_mb,
        processes=work.settings.sandbox.processes,
        output_bytes=OUTPUT_BYTES,
    )
    key = StepKey(work.task.id, REGRESSION.name, number, turn, part)
    script = Script(program(plan), "regression_tests.py", ("python",))
    return await work.steps.executions.run(key, ExecutionRequest(work.environment, script, patch, limits))


def program(plan: dict[str, Any]) -> str:
    """The source of the test runner, followed by a call that executes a plan."""
    reporter = Path(__file__).with_name("pytest_runner.py").read_text("utf-8")
    call = f"    run(json.loads({json.dumps(plan)!r}))\n"
    return f"{reporter}\n\nif __name__ == '__main__' and not sys.argv[1:]:\n{call}"


async def _without(work: Work, why: str, files: Sequence[str] = ()) -> Regressions:
    """Note why there are no regression tests; no candidate is penalised."""
    await work.note(REGRESSION, "tests", {"files": list(files), "passing": 0, "flaky": [], "why": why})
    return Regressions()

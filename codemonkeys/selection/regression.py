"""Regression tests: what a candidate newly breaks of the repository's own tests. They cost no model call.

A soft signal: a right candidate may break a test that holds what the issue calls wrong. By published figures a third
of the alarms are false (Trae Agent, arXiv 2507.23370, section 6.2).
"""

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
from codemonkeys.selection.relevant_tests import relevant_tests
from codemonkeys.selection.votes import Numbered
from codemonkeys.stages import REGRESSION
from sandboxes.base import Execution, Limits, Reason, Script

REPEAT_FACTOR = 2.0
"""How much longer than the first run a later one may take: a run that is only slower breaks nothing."""
MARGIN_SECONDS = 30.0
"""What the reporter gets beyond the tests' time, to tell what it has."""
OUTPUT_BYTES = 16 << 20
MOST_TESTS = 10_000


@dataclass(frozen=True)
class Regressions:
    """What candidates did to the repository's own tests."""

    tests: tuple[str, ...] = ()
    """Tests that pass on the unedited code, twice."""
    broken: tuple[tuple[str, ...] | None, ...] = ()
    """For each distinct candidate, those it breaks; None if that could not be told."""


@dataclass(frozen=True)
class PytestReport:
    """What the reporter told of one run."""

    outcomes: dict[str, str]
    ended: bool
    """The tests ended by themselves: what has no outcome did not pass."""
    why: str = ""
    """Why nothing is known, if so."""


async def run_regressions(work: Work, candidates: Sequence[Numbered]) -> Regressions:
    """Find the tests that matter to what the candidates touch, and run them on each candidate."""
    settings = work.settings.selection
    if settings.regression_files == 0:
        return Regressions()
    if work.task.language.lower() not in ("", "python"):
        return await _without(work, f"no runner is known for the tests of a {work.task.language} repository")
    # More candidates later may touch other files, to which other tests matter: those are other steps.
    turn = len(candidates)
    touched = Counter(path for c in candidates for path in patch_paths(c.candidate.patch))
    files = await work.in_thread(relevant_tests, work.snapshot, touched, settings.regression_files)
    if not files:
        return await _without(work, "no test file matters to the files that the candidates touch")

    first = read(await _run(work, 0, turn, "original", files, None, settings.regression_seconds))
    passed = sorted(name for name, outcome in first.outcomes.items() if outcome == "passed")[:MOST_TESTS]
    if not passed:
        return await _without(work, first.why or "no test passes on the unedited code", files)
    seconds = settings.regression_seconds * REPEAT_FACTOR
    async with asyncio.TaskGroup() as group:
        # The very script that runs on the candidates: a test that fails now is flaky, or leans on one left out.
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
    return Regressions(tests, broken)


def broken_by(execution: Execution, tests: Sequence[str]) -> tuple[str, ...] | None:
    """Those of the tests that did not pass; None if the run told nothing. Out of time, the unreached ones count not."""
    told = read(execution)
    if told.why:
        return None
    never = "passed" if not told.ended else "missing"
    return tuple(name for name in tests if told.outcomes.get(name, never) != "passed")


def read(execution: Execution) -> PytestReport:
    """What the reporter told, from the last line of what it printed."""
    if execution.reason is not Reason.EXITED:
        return PytestReport({}, False, f"the tests could not be run: {execution.reason.value}")
    lines = execution.output.splitlines()
    try:
        told: dict[str, Any] = json.loads(lines[-1])
        outcomes = {str(name): str(outcome) for name, outcome in told["tests"].items()}
        end, timed_out = told["exit"], bool(told["timed_out"])
    except (IndexError, ValueError, KeyError, TypeError, AttributeError):
        return PytestReport({}, False, "the tests could not be run: their reporter told nothing")
    if end == "no pytest":
        return PytestReport({}, False, "the tests could not be run: the environment has no pytest")
    return PytestReport(outcomes, not timed_out)


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
    """The reporter's text, and the call that carries out a plan."""
    reporter = Path(__file__).with_name("pytest_runner.py").read_text("utf-8")
    call = f"    run(json.loads({json.dumps(plan)!r}))\n"
    return f"{reporter}\n\nif __name__ == '__main__' and not sys.argv[1:]:\n{call}"


async def _without(work: Work, why: str, files: Sequence[str] = ()) -> Regressions:
    """No regression test: that is noted, and no candidate suffers."""
    await work.note(REGRESSION, "tests", {"files": list(files), "passing": 0, "flaky": [], "why": why})
    return Regressions()

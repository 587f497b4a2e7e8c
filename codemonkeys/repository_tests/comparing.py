"""What patches break of the repository's own tests, compared with what passes on the unedited code. No model calls."""

from __future__ import annotations

import asyncio
import posixpath
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from codemonkeys.engine.executions import ExecutionRequest
from codemonkeys.engine.work import Work
from codemonkeys.keys import PROBE, StepKey
from codemonkeys.repository_tests.base import Report, Runner, TestRequest, read_report
from codemonkeys.repository_tests.relevant_tests import relevant_tests
from codemonkeys.repository_tests.runners import claiming, probe_script, read_probe
from sandboxes.base import Limits, Script

REPEAT_FACTOR = 2.0
"""Time limit of later runs relative to the first: a slower run is not a regression."""
MARGIN_SECONDS = 30.0
"""Extra time for the runner to report after the tests' time limit."""
OUTPUT_BYTES = 16 << 20
MOST_TESTS = 10_000
SAID = 500
"""Characters that are noted of what a runner printed where no test passes."""

Keys = Callable[[int, str], StepKey]
"""The key of an execution: of a patch by its number from 1, or the unedited code (0), and the part."""


@dataclass(frozen=True)
class Suite:
    """Tests of the repository that concern some files, and who runs them."""

    runner: Runner
    tool: str
    files: tuple[str, ...]
    """Relative to the task's scope."""


@dataclass(frozen=True)
class Comparison:
    """What patches do to the tests that pass twice on the unedited code."""

    runner: str = ""
    files: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    """Tests that passed at first, and not in the second run."""
    reports: tuple[Report, ...] = ()
    """By patch."""
    why: str = ""
    """Why no test could be compared, if so."""

    @property
    def broken(self) -> tuple[tuple[str, ...] | None, ...]:
        """By patch, the tests it breaks; None if unknown. Empty if no test could be compared."""
        return tuple(report.broken(self.tests) for report in self.reports) if self.tests else ()

    def note(self) -> dict[str, Any]:
        """What a reader of the run is told."""
        told: dict[str, Any] = {"files": list(self.files), "passing": len(self.tests), "flaky": list(self.flaky)}
        return {**told, **({"runner": self.runner} if self.runner else {}), **({"why": self.why} if self.why else {})}


async def compare(
    work: Work, keys: Keys, touched: Mapping[str, int], names: Collection[str], patches: Sequence[str]
) -> Comparison:
    """Run the tests that concern the touched files on the unedited code, and what passes there on each patch.

    `touched`, `names`: see `relevant_tests`. Equal executions are shared, whoever asks for them.
    """
    suite = await find_suite(work, keys(0, PROBE), touched, names)
    if isinstance(suite, str):
        return Comparison(why=suite)
    name, files = suite.runner.name, suite.files
    seconds = work.settings.selection.regression_seconds
    first = await run_tests(work, keys(0, "original"), suite, seconds)
    passed = tuple(first.passed[:MOST_TESTS])
    if not passed:
        said = " ".join(first.printed.split())[-SAID:]
        why = first.why or f"no test passes on the unedited code{f': {said}' if said else ''}"
        return Comparison(name, files, why=why)
    async with asyncio.TaskGroup() as group:
        # The same script that runs on the patches: a test that fails now is flaky, or depends on one left out.
        later = (suite, seconds * REPEAT_FACTOR, passed)
        again = group.create_task(run_tests(work, keys(0, "repeated"), *later))
        edited = [
            group.create_task(run_tests(work, keys(number, "edited"), *later, patch))
            for number, patch in enumerate(patches, 1)
        ]
    lost = set(again.result().broken(passed) or ()) if not again.result().why else set(passed)
    tests = tuple(test for test in passed if test not in lost)
    flaky = tuple(test for test in passed if test in lost)
    why = "" if tests else again.result().why or "no test passes twice on the unedited code"
    return Comparison(name, files, tests, flaky, tuple(task.result() for task in edited), why)


async def find_suite(
    work: Work, probe: StepKey, touched: Mapping[str, int], names: Collection[str] = ()
) -> Suite | str:
    """The tests that concern the touched files, with the first runner that can run some; or why there are none.

    `probe`: the key of the step that asks what the environment has.
    """
    settings, scope = work.settings.selection, await work.in_thread(lambda: work.scope)
    touched = {in_scope(work, path): count for path, count in touched.items() if work.task.in_scope(path)}
    runners = await work.in_thread(claiming, scope, settings.test_runner)
    language = work.task.language.lower()
    if not runners and language not in ("", "python"):
        return f"no runner is known for the tests of a {language} repository"
    suites = []
    for runner in runners:
        tests = await work.in_thread(runner.tests, scope)
        most = settings.regression_files
        found = await work.in_thread(relevant_tests, scope, touched, most, names, tests)
        suites += [(runner, tuple(found))] if found else []
    if not suites:
        return "no test file matters to the files that the candidates touch"
    return await _first_available(work, probe, runners, suites)


async def suite_of(work: Work, probe: StepKey, files: Sequence[str]) -> Suite | str:
    """Test files, by their paths in the repository, as a suite of the first runner that can run them; or why not."""
    if outside := [path for path in files if not work.task.in_scope(path)]:
        return f"tests outside {work.task.scope} are not run, such as {outside[0]}"
    files, scope = [in_scope(work, path) for path in files], await work.in_thread(lambda: work.scope)
    runners = await work.in_thread(claiming, scope, work.settings.selection.test_runner)
    suites = [
        (runner, tuple(files)) for runner in runners if set(files) <= set(await work.in_thread(runner.tests, scope))
    ]
    if not files or not suites:
        return "no runner is known for these tests"
    return await _first_available(work, probe, runners, suites)


def in_scope(work: Work, path: str) -> str:
    """A path of the repository that lies in the task's scope, relative to that, as runners name files."""
    return path.removeprefix(f"{work.task.scope}/") if work.task.scope else path


def launched(work: Work, script: Script) -> Script:
    """A runner's program, begun in the folder that the task is about."""
    if not work.task.scope:
        return script
    return replace(script, command=("sh", "-c", 'cd "$0" && exec "$@"', f"./{work.task.scope}", *script.command))


async def _first_available(
    work: Work, probe: StepKey, runners: Sequence[Runner], suites: Sequence[tuple[Runner, tuple[str, ...]]]
) -> Suite | str:
    script = launched(work, probe_script(runners))
    limits = Limits(memory_mb=work.settings.sandbox.memory_mb, processes=work.settings.sandbox.processes)
    done = await work.steps.executions.run(probe, ExecutionRequest(work.environment, script, None, limits))
    tools = read_probe(runners, done)
    for runner, files in suites:
        if tool := tools.get(runner.name):
            return Suite(runner, tool, files)
    lacking = ", ".join(dict.fromkeys(runner.name for runner, _ in suites))
    return f"the tests could not be run: the environment has nothing that runs them (tried: {lacking})"


async def run_tests(
    work: Work,
    key: StepKey,
    suite: Suite,
    seconds: float,
    wanted: tuple[str, ...] | None = None,
    patch: str | None = None,
    node: str | None = None,
) -> Report:
    """Run tests of a suite on the unedited code or on a patch, as one step.

    `wanted`: their names; None for all. `node`: what the runner is given in place of the files, such as one test.
    """
    patterns = suite.runner.configuration
    configuration = [
        posixpath.relpath(entry.path, work.task.scope or ".")
        for entry in work.snapshot.entries
        if entry.is_file and any(fnmatchcase(PurePosixPath(entry.path).name, pattern) for pattern in patterns)
    ]
    request = TestRequest(
        suite.files if node is None else (node,), (*suite.files, *configuration), wanted, seconds, suite.tool
    )
    limits = Limits(
        seconds=seconds + MARGIN_SECONDS,
        memory_mb=work.settings.sandbox.memory_mb,
        processes=work.settings.sandbox.processes,
        output_bytes=OUTPUT_BYTES,
    )
    execution = ExecutionRequest(work.environment, launched(work, suite.runner.script(request)), patch, limits)
    return read_report(suite.runner, await work.steps.executions.run(key, execution))

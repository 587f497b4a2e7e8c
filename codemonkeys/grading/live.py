"""SWE-bench Live: what its last commands print is read by a function that comes with the row."""

from __future__ import annotations

from collections.abc import Mapping

from codemonkeys.grading.containers import report_tests
from codemonkeys.grading.logs import LogWay
from codemonkeys.grading.own_script import pytest_statuses
from codemonkeys.grading.parsing import run_parser
from codemonkeys.grading.sandboxed import Job
from codemonkeys.grading.verdict import Verdict

PYTEST = "pytest"
"""In place of a function: the data set's own parser of pytest."""
_PROGRAM = """\
space = {}
exec(arguments["source"], space)
result = space["parser"](log) or {}
"""


class LiveWay(LogWay):
    """How SWE-bench Live grades."""

    def statuses(self, job: Job, log: str) -> Mapping[str, str]:
        """What the function of the row makes of the log: pass, fail or skip."""
        source = str(job.key.grading.get("parser", PYTEST))
        if source.strip().lower() == PYTEST:
            return {test: _word(status) for test, status in pytest_statuses(log).items()}
        return run_parser(_PROGRAM, log, {"source": source}, None, job.key.image)

    def judge(self, job: Job, statuses: Mapping[str, str]) -> Verdict:
        """Resolved if one of the tests to fix passes and none of either list fails; one that is not named does not."""
        passed, resolved = resolution(statuses, job.key.FAIL_TO_PASS, job.key.PASS_TO_PASS)
        return report_tests(job, passed, resolved)


def resolution(statuses: Mapping[str, str], fixed: tuple[str, ...], kept: tuple[str, ...]) -> tuple[set[str], bool]:
    """The tests that pass, and whether that resolves the task."""
    passed = {test for test, status in statuses.items() if "pass" in status.lower()}
    failed = {test for test, status in statuses.items() if "fail" in status.lower()}
    return passed, bool(passed & set(fixed)) and not failed & {*fixed, *kept}


def _word(status: str) -> str:
    return "pass" if "PASS" in status else "skip" if status == "SKIPPED" else "fail"

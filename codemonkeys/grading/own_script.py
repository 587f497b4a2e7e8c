"""Data sets whose rows bring a script or a command, and whose tests pytest runs: OpenSWE, SWE-Lego, Scale-SWE."""

from __future__ import annotations

import re
from collections.abc import Mapping

from codemonkeys.grading.logs import LogWay
from codemonkeys.grading.sandboxed import Job

STATUSES = ("PASSED", "FAILED", "ERROR", "SKIPPED", "XFAIL", "XPASS")
_SUMMARY = re.compile(rf"({'|'.join(STATUSES)}) (\S.*?)(?: - .*)?")
_VERBOSE = re.compile(rf"(\S+::.*?) ({'|'.join(STATUSES)})(?: .*)?")
_COLOR = re.compile(r"\x1b\[[0-9;]*m")


class OwnScriptWay(LogWay):
    """How they are graded: all tests of both lists pass."""

    def statuses(self, job: Job, log: str) -> Mapping[str, str]:
        """What pytest says of each test."""
        return pytest_statuses(log)


def pytest_statuses(log: str) -> dict[str, str]:
    """The status of each test that pytest names: in its summary, which counts, and in its verbose lines.

    A name with spaces is there up to the first of them too, as lists have it that were made with swebench's parser.
    """
    short: dict[str, str] = {}
    verbose: dict[str, str] = {}
    summary: dict[str, str] = {}
    for line in log.splitlines():
        text = _COLOR.sub("", line).rstrip()
        if match := _SUMMARY.fullmatch(text):
            summary[match[2]] = short[match[2].split()[0]] = match[1]
        elif match := _VERBOSE.fullmatch(text):
            verbose[match[1]] = match[2]
    return short | verbose | summary

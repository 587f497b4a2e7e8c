"""R2E-Gym: every hidden test has to end as is expected of it, and no other may be there."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from codemonkeys.grading.containers import report_tests
from codemonkeys.grading.logs import LogWay
from codemonkeys.grading.sandboxed import Job
from codemonkeys.grading.verdict import Verdict

_COLOR = re.compile(r"\x1b\[[0-9;]*m|\r")
_SUMMARY = "short test summary info"
_WORDS = ("PASSED", "FAILED", "ERROR")


@dataclass(frozen=True)
class R2EWay(LogWay):
    """How R2E-Gym grades."""

    needs_image: bool = True

    def statuses(self, job: Job, log: str) -> Mapping[str, str]:
        """What the summary of pytest says."""
        return summary_statuses(log)

    def judge(self, job: Job, statuses: Mapping[str, str]) -> Verdict:
        """Resolved if the statuses are those expected."""
        expected = {plain(name): status for name, status in job.key.grading.items()}
        found = {plain(name): status for name, status in statuses.items()}
        as_expected = {name for name in job.key.FAIL_TO_PASS if found.get(plain(name)) == expected[plain(name)]}
        found.pop("", None), expected.pop("", None)
        return report_tests(job, as_expected, resolved=found == expected)


def plain(name: str) -> str:
    """The name of a test without colours, and without what follows it."""
    return _COLOR.sub("", name).partition(" - ")[0]


def summary_statuses(log: str) -> dict[str, str]:
    """The status of each test that the summary of pytest names, without its file; empty without a summary."""
    found: dict[str, str] = {}
    text = _COLOR.sub("", log)
    for line in text.partition(_SUMMARY)[2].partition(_SUMMARY)[0].strip().split("\n"):
        status = next((word for word in _WORDS if word in line), None)
        if status is not None:
            name = ".".join(line.split("::")[1:])
            found[name if status == "PASSED" else name.partition(" - ")[0]] = status
    return found

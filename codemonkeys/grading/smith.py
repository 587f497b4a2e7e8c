"""SWE-smith: the tests of the commit before the last one of a task's branch, by the verbose lines of pytest."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from codemonkeys.errors import BadRecord
from codemonkeys.grading.logs import LogWay
from codemonkeys.grading.sandboxed import Job
from codemonkeys.tasks.answer_key import AnswerKey

_LINE = re.compile(r"^(\S+)\s+(PASSED|FAILED|SKIPPED|ERROR|XFAIL)\b", re.M)
OTHERS = frozenset(
    {
        *("HIPS__autograd", "tkrajina__gpxpy", "mido__mido", "paramiko__paramiko", "un33k__python-slugify"),
        *("tornadoweb__tornado", "python__mypy", "Project-MONAI__MONAI", "pydantic__pydantic"),
    }
)
"""Repositories of which its harness runs the tests with another command, or reads their log in another way."""


@dataclass(frozen=True)
class SmithWay(LogWay):
    """How SWE-smith grades its repositories of Python."""

    needs_image: bool = True

    def check(self, key: AnswerKey) -> None:
        """Raise BadRecord for a repository with a way of its own."""
        name = key.instance_id.partition(".")[0]
        if name in OTHERS or not all("::" in test for test in key.FAIL_TO_PASS):
            raise BadRecord(
                f"{key.instance_id}: the harness of SWE-smith has a command or parser of its own for {name}; grade it "
                "there, with: python -m swesmith.harness.eval"
            )

    def statuses(self, job: Job, log: str) -> Mapping[str, str]:
        """What the verbose lines say."""
        return smith_statuses(log)


def smith_statuses(log: str) -> dict[str, str]:
    """The status of each test by the lines `NAME STATUS`, the last of a name."""
    return {match[1]: match[2] for match in _LINE.finditer(log)}

"""SWE-rebench V2: one of its named parsers reads the log; times in names of tests do not count."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from codemonkeys.errors import BadRecord
from codemonkeys.grading.containers import report_tests
from codemonkeys.grading.logs import LogWay
from codemonkeys.grading.parsing import run_parser
from codemonkeys.grading.sandboxed import Job
from codemonkeys.grading.verdict import Verdict
from codemonkeys.tasks.answer_key import AnswerKey
from codemonkeys.wording import option

PARSERS = ("lib/agent/log_parsers.py", "agent/log_parsers.py", "log_parsers.py")
"""Where a clone of its repository, or a folder of it, has the parsers."""
SAME = frozenset({"parse_log_pytest", "parse_log_pytest_options", "parse_log_gotest"})
"""Parsers that swebench has too."""
_TIMES = (
    re.compile(r"\s*\[\s*\d+(?:\.\d+)?\s*(?:ms|s)\s*\]\s*$", re.I),
    re.compile(r"\s+in\s+\d+(?:\.\d+)?\s+(?:msec|sec)\b", re.I),
    re.compile(r"\s*\(\s*\d+(?:\.\d+)?\s*(?:ms|s)\s*\)\s*$", re.I),
)
_PROGRAM = """\
import importlib
sys.path[:0] = ["/scripts", "/scripts/lib"]
parsers = importlib.import_module(arguments["module"])
name = arguments["name"]
parser = getattr(parsers, "NAME_TO_PARSER", {}).get(name) or getattr(parsers, name)
result = {test: getattr(status, "value", status) for test, status in parser(log).items()}
"""


class RebenchWay(LogWay):
    """How SWE-rebench V2 grades."""

    def check(self, key: AnswerKey) -> None:
        """Raise BadRecord for a task whose parser is not there."""
        name = _name(key)
        if name not in SAME and self._parsers() is None:
            raise BadRecord(
                f"{self.scripts / PARSERS[0]} is missing, with the parser {name!r} by which SWE-rebench V2 grades "
                f"{key.instance_id}; clone the repository SWE-rebench-V2, and give its folder with {option('scripts')}"
            )

    def statuses(self, job: Job, log: str) -> Mapping[str, str]:
        """What the named parser says; that of its repository, if it is there."""
        name, parsers = _name(job.key), self._parsers()
        if parsers is None:
            from swebench.harness.log_parsers import PARSER_REGISTRY

            return {str(test): str(status) for test, status in PARSER_REGISTRY[name](log, None).items()}
        module = "agent.log_parsers" if parsers.parent.name == "agent" else "log_parsers"
        folder = self.scripts if self.scripts in parsers.parents else parsers.parent
        return run_parser(_PROGRAM, log, {"name": name, "module": module}, folder, job.key.image)

    def judge(self, job: Job, statuses: Mapping[str, str]) -> Verdict:
        """Resolved if all tests of both lists pass."""
        passed = {without_times(test) for test, status in statuses.items() if status == "PASSED"}
        named = (*job.key.FAIL_TO_PASS, *job.key.PASS_TO_PASS)
        return report_tests(job, {test for test in named if without_times(test) in passed})

    def _parsers(self) -> Path | None:
        return next((path for name in PARSERS if (path := self.scripts / name).is_file()), None)


def without_times(name: str) -> str:
    """The name of a test without how long it took."""
    for pattern in _TIMES:
        name = pattern.sub("", name)
    return name.strip()


def _name(key: AnswerKey) -> str:
    return str(key.grading.get("parser") or "")

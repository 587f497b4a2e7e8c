"""SWE-PolyBench: the class of parsers that its repository names for the task's repository reads the log."""

from __future__ import annotations

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

PACKAGE = "poly_bench_evaluation"
_PROGRAM = """\
import importlib.util, types
sys.path.insert(0, arguments["path"])
# The package's own first module may need what only its harness needs.
package = types.ModuleType("poly_bench_evaluation")
package.__path__ = [arguments["path"] + "/poly_bench_evaluation"]
sys.modules["poly_bench_evaluation"] = package
from poly_bench_evaluation import parsers
from poly_bench_evaluation.constants import REPO_TO_PARSER_CLASS
found = getattr(parsers, REPO_TO_PARSER_CLASS[arguments["repo"]])(test_content=log).parse()
result = dict.fromkeys(found["passed_tests"], "PASSED") | dict.fromkeys(found["failed_tests"], "FAILED")
for test in set(found["passed_tests"]) & set(found["failed_tests"]):
    result[test] = "BOTH"
"""


class PolyWay(LogWay):
    """How SWE-PolyBench grades."""

    def check(self, key: AnswerKey) -> None:
        """Raise BadRecord if its parsers are not there."""
        if self._place() is None:
            raise BadRecord(
                f"{self.scripts / 'src' / PACKAGE} is missing, with the parsers by which SWE-PolyBench grades "
                f"{key.instance_id}; clone the repository SWE-PolyBench, and give its folder with {option('scripts')}"
            )

    def statuses(self, job: Job, log: str) -> Mapping[str, str]:
        """What the class for the repository says."""
        place = self._place()
        inside = "/scripts" if place == self.scripts else "/scripts/src"
        repo = job.key.grading.get("repo", job.key.repo)
        return run_parser(_PROGRAM, log, {"path": inside, "repo": repo}, self.scripts, job.key.image)

    def judge(self, job: Job, statuses: Mapping[str, str]) -> Verdict:
        """Resolved if all tests to fix pass and no other of the lists fails; one that is not named does not."""
        passed = {test for test, status in statuses.items() if status in ("PASSED", "BOTH")}
        failed = {test for test, status in statuses.items() if status in ("FAILED", "BOTH")}
        resolved = set(job.key.FAIL_TO_PASS) <= passed and not failed & set(job.key.PASS_TO_PASS)
        return report_tests(job, passed, resolved)

    def _place(self) -> Path | None:
        """The folder that holds the package."""
        return next((path for path in (self.scripts / "src", self.scripts) if (path / PACKAGE).is_dir()), None)

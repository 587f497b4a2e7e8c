"""Multi-SWE-bench: what each test did without the hidden tests, with them, and with the prediction too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codemonkeys.errors import BadRecord
from codemonkeys.grading.containers import ContainerResult, File, report_tests
from codemonkeys.grading.logs import SCRIPT, LogWay
from codemonkeys.grading.parsing import run_parser
from codemonkeys.grading.sandboxed import Job
from codemonkeys.grading.verdict import Outcome, Verdict
from codemonkeys.tasks.answer_key import AnswerKey
from codemonkeys.tasks.formats.multi_swe import FIX, LISTS
from codemonkeys.tasks.formats.scripts import APPLIED, FOLDER
from codemonkeys.wording import option

PACKAGE = "multi_swe_bench"
PASS, FAIL, SKIP, NONE = "PASS", "FAIL", "SKIP", "NONE"
RESULTS = {"passed_tests": PASS, "failed_tests": FAIL, "skipped_tests": SKIP}
"""Lists of a result, and what a test in them has done."""
BEFORE = {"f2p_tests": FAIL, "s2p_tests": SKIP, "n2p_tests": NONE, "p2p_tests": PASS}
"""What the tests of a list did with the hidden tests alone."""
_PROGRAM = """\
import importlib, re
from pathlib import Path
sys.path.insert(0, "/scripts")
from multi_swe_bench.harness.image import Config
from multi_swe_bench.harness.instance import Instance
from multi_swe_bench.harness.pull_request import Base, PullRequest
about = arguments
pull = PullRequest(
    org=about["org"], repo=about["repo"], number=about["number"], state="", title="", body="",
    base=Base(label="", ref="", sha=""), resolved_issues=[], fix_patch="", test_patch="",
    tag=about["tag"], number_interval=about["number_interval"], lang=about["lang"],
)
# Those modules that register the repository: all of them would take minutes.
registers = re.compile(r"register\\(\\s*[\\"']" + re.escape(about["org"]) + r"[\\"']", re.I)
harness = Path("/scripts/multi_swe_bench/harness")
for path in sorted((harness / "repos").rglob("*.py")):
    if registers.search(path.read_text(encoding="utf-8", errors="replace")):
        importlib.import_module(".".join(path.relative_to("/scripts").with_suffix("").parts))
found = Instance.create(pull, Config(need_clone=False, global_env=None, clear_env=False)).parse_log(log)
result = dict.fromkeys(found.passed_tests, "PASS") | dict.fromkeys(found.failed_tests, "FAIL")
result |= dict.fromkeys(found.skipped_tests, "SKIP")
"""


class MultiSweWay(LogWay):
    """How Multi-SWE-bench grades."""

    def check(self, key: AnswerKey) -> None:
        """Raise BadRecord if its parsers are not there."""
        if not (self.scripts / PACKAGE / "harness").is_dir():
            raise BadRecord(
                f"{self.scripts / PACKAGE} is missing, with the parsers by which Multi-SWE-bench grades "
                f"{key.instance_id}; make the folder with: pip install --target FOLDER multi-swe-bench, and give it "
                f"with {option('scripts')}"
            )

    def files(self, job: Job) -> dict[str, File]:
        """The prediction is where its images look for it; they have the hidden tests."""
        texts = {SCRIPT: job.key.eval_script, FIX: job.prediction.model_patch, f"{FOLDER}/.keep": ""}
        return {path: File(text.encode("utf-8", "surrogateescape")) for path, text in texts.items()}

    def refused(self, job: Job, done: ContainerResult) -> Verdict | None:
        """None: whether the patches could be applied is seen by the tests that ran."""
        return None

    def statuses(self, job: Job, log: str) -> Mapping[str, str]:
        """What the parser for the repository says."""
        told = job.key.grading
        about: dict[str, Any] = {name: told.get(name) or "" for name in ("org", "repo", "tag", "number_interval")}
        about |= {"number": int(told.get("number") or 0), "lang": told.get("lang") or ""}
        return run_parser(_PROGRAM, log, about, self.scripts, job.key.image)

    def verdict(self, job: Job, done: ContainerResult) -> Verdict:
        """The verdict by the statuses; without any, by whether the patches apply."""
        verdict = super().verdict(job, done)
        refused = done.results.get(APPLIED, b"0").strip() != b"0" and job.prediction.model_patch.strip()
        if verdict.outcome is Outcome.NOT_RESOLVED and refused and not any(good for good, _ in verdict.tests.values()):
            return Verdict(job.prediction.instance_id, Outcome.PATCH_FAILED, done.output.strip()[-2000:])
        return verdict

    def judge(self, job: Job, statuses: Mapping[str, str]) -> Verdict:
        """Resolved if the comparison is valid and every test of a list has gone from there to passing."""
        told = job.key.grading
        run, tests = (statuses_of(told.get(name)) for name in ("run_result", "test_patch_result"))
        wrong = problem(run, tests, statuses)
        lists = {name: told.get(name) or [] for name in LISTS}
        resolved = not wrong and all(
            statuses.get(test) == PASS and tests.get(test, NONE) == BEFORE[name]
            for name, named in lists.items()
            for test in named
        )
        verdict = report_tests(job, {test for test, status in statuses.items() if status == PASS}, resolved)
        return Verdict(verdict.id, verdict.outcome, wrong, verdict.tests) if wrong else verdict


def statuses_of(result: Any) -> dict[str, str]:
    """What each test did, from a result in a row."""
    told = result if isinstance(result, dict) else {}
    return {str(test): status for name, status in RESULTS.items() for test in told.get(name) or ()}


def problem(run: Mapping[str, str], tests: Mapping[str, str], fixed: Mapping[str, str]) -> str:
    """Why the statuses cannot be those of a fix: without the hidden tests, with them, with both; empty if they can."""
    if not fixed:
        return "no test was seen to run"
    for test, status in fixed.items():
        before = tests.get(test, NONE)
        if status == FAIL and before == PASS:
            return f"{test} passed before, and fails"
        if status == FAIL and before in (NONE, SKIP) and run.get(test) == PASS:
            return f"{test} passed without the hidden tests, and fails"
    if not any(status == PASS and tests.get(test, NONE) != PASS for test, status in fixed.items()):
        return "no test passes that did not before"
    return ""

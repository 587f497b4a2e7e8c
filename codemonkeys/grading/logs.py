"""Grades by a log: patches and commands as the data set has them, and what a parser says of each test."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from codemonkeys.grading.containers import SHELL, ContainerResult, ContainerScript, File, report_tests
from codemonkeys.grading.layout import TEST_OUTPUT
from codemonkeys.grading.sandboxed import Job
from codemonkeys.grading.verdict import Outcome, Verdict
from codemonkeys.system.files import write_whole
from codemonkeys.tasks.answer_key import AnswerKey
from codemonkeys.tasks.formats.scripts import APPLIED, FOLDER, LOG, PATCH, TEST_PATCH, TESTS_APPLIED

SCRIPT = f"{FOLDER}/grade.sh"
PASSED = frozenset({"PASSED", "XFAIL"})


@dataclass(frozen=True)
class LogWay(ABC):
    """What is common to data sets that are graded by the log of their tests."""

    scripts: Path
    """The folder with what else the data set is graded by, if that is not in its rows."""
    needs_image: bool = False

    def check(self, key: AnswerKey) -> None:  # noqa: B027 (most data sets need nothing more)
        """Raise BadInput for a task that cannot be graded."""

    def script(self, job: Job, seconds: float) -> ContainerScript:
        """The script of the key, beside the two patches."""
        return ContainerScript((SHELL, SCRIPT), self.files(job), (APPLIED, TESTS_APPLIED, LOG), seconds)

    def files(self, job: Job) -> dict[str, File]:
        """The files that the script needs, by path."""
        texts = {SCRIPT: job.key.eval_script, PATCH: job.prediction.model_patch, TEST_PATCH: job.key.test_patch}
        return {path: File(text.encode("utf-8", "surrogateescape")) for path, text in texts.items()}

    def verdict(self, job: Job, done: ContainerResult) -> Verdict:
        """The verdict by the log, if the patches could be applied."""
        id, log = job.prediction.instance_id, done.results.get(LOG)
        write_whole(job.log / TEST_OUTPUT, (log or b"").decode("utf-8", "replace"))
        if (refused := self.refused(job, done)) is not None:
            return refused
        if log is None:
            return Verdict(id, Outcome.INFRASTRUCTURE, "its tests left no log; see run_instance.log")
        return self.judge(job, self.statuses(job, log.decode("utf-8", "replace")))

    def refused(self, job: Job, done: ContainerResult) -> Verdict | None:
        """The verdict if a patch was not applied, or none was tried."""
        id, said = job.prediction.instance_id, done.output.strip()[-2000:]
        applied, tests = (done.results.get(path, b"").strip() for path in (APPLIED, TESTS_APPLIED))
        if tests not in (b"0", b"") and applied == b"0":
            return Verdict(id, Outcome.NOT_RESOLVED, f"the hidden tests do not apply to what it leaves: {said}")
        if tests not in (b"0", b""):
            return Verdict(id, Outcome.INFRASTRUCTURE, f"the hidden tests do not apply to its image: {said}")
        if applied == b"":
            return Verdict(id, Outcome.INFRASTRUCTURE, f"its repository is not as it should be in its image: {said}")
        return None if applied == b"0" else Verdict(id, Outcome.PATCH_FAILED, said)

    @abstractmethod
    def statuses(self, job: Job, log: str) -> Mapping[str, str]:
        """What the log says of each test. Raises EnvironmentFailed if a parser cannot run."""

    def judge(self, job: Job, statuses: Mapping[str, str]) -> Verdict:
        """The verdict by the statuses: all tests of both lists have passed."""
        return report_tests(job, {test for test, status in statuses.items() if status in PASSED})

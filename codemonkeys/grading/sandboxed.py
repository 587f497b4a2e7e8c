"""Grading in our own sandboxes: the hidden tests run there, and swebench parses their log."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

from codemonkeys.errors import BadRecord, EnvironmentFailed
from codemonkeys.generation.applying import REFUSED, apply_lines
from codemonkeys.grading.layout import LOG, REPORT, TEST_OUTPUT, spec_of, verdict_of
from codemonkeys.grading.verdict import Outcome, Verdict
from codemonkeys.system.files import write_whole
from codemonkeys.system.programs import worker_threads
from codemonkeys.tasks.answer_key import AnswerKey
from codemonkeys.tasks.predictions import Prediction
from codemonkeys.wording import option
from sandboxes.base import Environment, Execution, Limits, Reason, Sandbox, Script

LIMITS = Limits(seconds=1800, memory_mb=8192, processes=1024, output_bytes=64 << 20, disk_mb=8192)
"""Limits for the hidden tests of one task; the time limit is the harness's default."""

SANDBOX_ATTEMPTS = 3


class Job(NamedTuple):
    """A grading to run: its patch is not empty, and its log folder holds no earlier results."""

    prediction: Prediction
    key: AnswerKey
    log: Path


@dataclass(frozen=True)
class SandboxGrader:
    """Grades in a sandbox; `environment` returns the environment of a task's tests, or raises EnvironmentFailed."""

    environment: Callable[[str], Environment]
    sandbox: Sandbox
    limits: Limits = LIMITS

    def check(self, key: AnswerKey) -> None:
        """Raise BadRecord for a task that this grader cannot grade."""
        if key.image_assets:
            raise BadRecord(
                f"{key.instance_id}: its tests need binary assets, which only the harness can install; "
                f"use {option('sandbox_of_grading', 'docker')}"
            )

    def grade(
        self, jobs: Sequence[Job], run_id: str, folder: Path, workers: int, on_verdict: Callable[[Verdict], None]
    ) -> None:
        """Run the jobs, `workers` at a time; `on_verdict` is called with each verdict, from a worker thread."""
        stopped = Event()

        def grade(job: Job) -> None:
            verdict = self.grade_one(job)
            if not stopped.is_set():  # what an interrupt kills has no verdict
                on_verdict(verdict)

        with worker_threads(workers, "grade", stopped.set, self.sandbox.close) as submit:
            for done in [submit(partial(grade, job)) for job in jobs]:
                done.result()

    def grade_one(self, job: Job) -> Verdict:
        """Run the hidden tests of one task on a patch."""
        id, log, patch = job.prediction.instance_id, job.log, job.prediction.model_patch
        spec = spec_of(job.key)
        write_whole(log / "patch.diff", patch)
        write_whole(log / "eval.sh", spec.eval_script)
        try:
            environment = self.environment(id)
        except EnvironmentFailed as error:
            write_whole(log / LOG, f"{error}\n{error.output}\n")
            return Verdict(id, Outcome.INFRASTRUCTURE, str(error))

        execution = self._run(environment, spec.eval_script, patch or None)
        if execution.reason is Reason.PATCH_FAILED:
            refusal = execution.output
            execution = self._run(environment, apply_lines(patch) + spec.eval_script, None)
            if execution.output.startswith(REFUSED):
                write_whole(log / LOG, f"{REFUSED}:\n{refusal}\n")
                return Verdict(id, Outcome.PATCH_FAILED, refusal.strip())
        return self._verdict(job, spec, execution)

    def _verdict(self, job: Job, spec: Any, execution: Execution) -> Verdict:
        from swebench.harness.grading import get_eval_report

        id, log = job.prediction.instance_id, job.log
        if execution.reason is Reason.SANDBOX_FAILED:
            write_whole(log / LOG, f"{execution.detail}\n")
            return Verdict(id, Outcome.INFRASTRUCTURE, execution.detail)
        if execution.reason in (Reason.TIMED_OUT, Reason.OUT_OF_MEMORY, Reason.OUTPUT_LIMIT):
            timed_out = execution.reason is Reason.TIMED_OUT
            seconds = f"{self.limits.seconds:g}"
            note = f"Timeout error: {seconds} seconds exceeded." if timed_out else f"Stopped: {execution.reason}."
            write_whole(log / TEST_OUTPUT, f"{execution.output}\n\n{note}")
            return Verdict(id, Outcome.LIMIT_REACHED, str(execution.reason), seconds=execution.seconds)
        write_whole(log / TEST_OUTPUT, execution.output)
        report = get_eval_report(spec, asdict(job.prediction), str(log / TEST_OUTPUT), include_tests_status=True)
        write_whole(log / REPORT, json.dumps(report, indent=4))
        return verdict_of(id, report[id], execution.seconds)

    def _run(self, environment: Environment, text: str, patch: str | None) -> Execution:
        script = Script(text=text, name="eval.sh", command=("bash",))
        for _ in range(SANDBOX_ATTEMPTS):
            execution = self.sandbox.run(environment, script, patch, self.limits)
            if execution.reason is not Reason.SANDBOX_FAILED:
                break
        return execution

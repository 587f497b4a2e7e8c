"""Grading by the official harness on Docker: its `run_evaluation`, in a separate process and folder."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from codemonkeys.errors import BadRecord, EnvironmentFailed
from codemonkeys.grading.layout import LOG, REPORT, TEST_OUTPUT, log_folder, log_root, read_report, verdict_of
from codemonkeys.grading.sandboxed import LIMITS, Job
from codemonkeys.grading.verdict import Outcome, Verdict
from codemonkeys.redact import redact
from codemonkeys.system.files import write_whole
from codemonkeys.system.programs import worker_threads
from codemonkeys.tasks.answer_key import AnswerKey
from codemonkeys.tasks.predictions import write_predictions

ALLOWED_VARIABLES = re.compile(
    r"PATH|HOME|LANG|TMPDIR|XDG_RUNTIME_DIR|DOCKER_\w+|SWEBENCH_DOCKER_\w+|SSL_CERT_\w+|\w*_?proxy", re.I
)
"""Environment variables passed to the harness: enough to reach a Docker engine, and no API keys."""

RUNTIME = re.compile(r"Test runtime: ([\d_.]+) seconds")
ERROR = re.compile(r" - ERROR - (.+)")
END_SECONDS = 60.0
"""Time for the harness to remove its containers when it is stopped."""


@dataclass(frozen=True)
class HarnessGrader:
    """Grades by the harness itself; `image` returns a task's image, present in the engine, or raises EnvironmentFailed.

    The harness's containers have network access and no memory limit, unlike ours.
    """

    image: Callable[[str], str]
    seconds: float = LIMITS.seconds

    def check(self, key: AnswerKey) -> None:
        """Raise BadRecord for a task that this grader cannot grade."""
        assets = [asset for group in key.image_assets.values() for asset in group or ()]
        if any(not asset.get("url") for asset in assets):
            raise BadRecord(
                f"{key.instance_id}: its tests need binary assets that have no address; "
                "grade it with `swebench eval --task-repo`"
            )

    def grade(
        self, jobs: Sequence[Job], run_id: str, folder: Path, workers: int, on_verdict: Callable[[Verdict], None]
    ) -> None:
        """Run the jobs, `workers` at a time; `on_verdict` is called with each verdict."""
        ready: dict[str, Job] = {}
        images: dict[str, str] = {}
        with worker_threads(workers, "image") as submit:
            asked = [submit(partial(self._image, job)) for job in jobs]
            for job, image in zip(jobs, (done.result() for done in asked), strict=True):
                if isinstance(image, EnvironmentFailed):
                    write_whole(job.log / LOG, f"{image}\n{image.output}\n")
                    on_verdict(Verdict(job.prediction.instance_id, Outcome.INFRASTRUCTURE, str(image)))
                else:
                    ready[job.prediction.instance_id], images[job.prediction.instance_id] = job, image
        if not ready:
            return
        root = log_root(folder, run_id)
        for stale in root.glob(".harness-*"):  # left by a killed evaluation; we hold the lock on this folder
            shutil.rmtree(stale)
        # A separate folder, because the harness accepts any result it finds, even a truncated one or one for another
        # patch; a unique run id, because the harness removes all containers that carry its run id.
        with tempfile.TemporaryDirectory(dir=root, prefix=".harness-") as made:
            scratch, unique = Path(made), f"{run_id}.{uuid.uuid4().hex[:12]}"
            rows = [
                asdict(replace(job.key, instance_id=id, image=images[id], patch="", test_patch=""))
                for id, job in ready.items()
            ]
            write_whole(scratch / "rows.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
            write_predictions(scratch / "predictions.jsonl", {id: job.prediction for id, job in ready.items()})
            waiting = dict(ready)
            with self._running(scratch, unique, min(workers, len(ready)), root / "harness.log") as process:
                # The harness takes 15 s to stop a container; once all reports are in, `_running` kills them on exit.
                while waiting and not _ended(process):
                    for id, job in list(waiting.items()):
                        found = log_folder(scratch, unique, job.prediction)
                        whole = read_report(found / REPORT, id) is not None
                        if whole or self._read(id, found).outcome is not Outcome.INFRASTRUCTURE:
                            copy_logs(found, waiting.pop(id).log)
                            on_verdict(self._read(id, job.log))
            for id, job in waiting.items():
                copy_logs(log_folder(scratch, unique, job.prediction), job.log)
                on_verdict(self._read(id, job.log))

    def _image(self, job: Job) -> str | EnvironmentFailed:
        try:
            return self.image(job.prediction.instance_id)
        except EnvironmentFailed as error:
            return error

    @contextmanager
    def _running(self, scratch: Path, run_id: str, workers: int, log: Path) -> Iterator[subprocess.Popen[bytes]]:
        """The running harness; on exit it and its containers are gone."""
        # -P: never import modules from the current folder.
        program = [sys.executable, "-P", "-m", "codemonkeys.grading.harness", "rows.jsonl", "predictions.jsonl"]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*program, run_id, str(workers), str(math.ceil(self.seconds))],
                cwd=scratch,
                env={name: value for name, value in os.environ.items() if ALLOWED_VARIABLES.fullmatch(name)},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        assert process.stdin
        try:
            yield process
        finally:
            process.stdin.close()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _read(self, id: str, log: Path) -> Verdict:
        """The verdict in the harness's logs; an infrastructure failure if there is none yet."""
        messages = _text(log / LOG)
        runtime = RUNTIME.search(messages)
        seconds = float(runtime[1]) if runtime else 0.0
        if report := read_report(log / REPORT, id):
            return verdict_of(id, report, seconds)
        return self._without_report(id, messages, _text(log / TEST_OUTPUT), seconds)

    def _without_report(self, id: str, messages: str, output: str, seconds: float) -> Verdict:
        from swebench.harness.constants import APPLY_PATCH_FAIL

        if output.endswith(f"Timeout error: {math.ceil(self.seconds)} seconds exceeded."):
            return Verdict(id, Outcome.LIMIT_REACHED, "timed out", seconds=seconds)
        # The log has no text from the patch until the patch has been applied.
        if not output and APPLY_PATCH_FAIL in messages:
            refusal = messages.split(f"{APPLY_PATCH_FAIL}:", 1)[-1].partition("Traceback (most recent call last)")[0]
            return Verdict(
                id, Outcome.PATCH_FAILED, re.sub(r"^[\d-]+ [\d:,]+ - INFO - ?$", "", refusal, flags=re.M).strip()
            )
        errors = ERROR.findall(messages)
        why = errors[0] if errors else "the harness ended without a result for this task; see harness.log in the logs"
        return Verdict(id, Outcome.INFRASTRUCTURE, redact(why))


def copy_logs(found: Path, log: Path) -> None:
    """Copy the logs of one grading, the report last, each atomically."""
    log.mkdir(parents=True, exist_ok=True)
    for name in ("patch.diff", "eval.sh", TEST_OUTPUT, LOG, REPORT):
        if (found / name).is_file():
            shutil.copyfile(found / name, log / f".{name}")
            os.replace(log / f".{name}", log / name)


def _ended(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        return False
    return True


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""

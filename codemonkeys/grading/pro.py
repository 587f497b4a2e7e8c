"""Grades SWE-bench Pro in its own order: in containers of its images, with the scripts and parsers of its repository."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any, NamedTuple

from codemonkeys.errors import BadInput, EnvironmentFailed
from codemonkeys.grading.containers import SHELL, ContainerResult, ContainerScript, File, run_in_container
from codemonkeys.grading.layout import LOG, REPORT, TEST_OUTPUT, spec_of, verdict_of
from codemonkeys.grading.sandboxed import LIMITS, Job
from codemonkeys.grading.verdict import Outcome, Verdict
from codemonkeys.redact import redact
from codemonkeys.system.files import write_whole
from codemonkeys.system.programs import worker_threads
from codemonkeys.tasks.answer_key import AnswerKey
from codemonkeys.tasks.formats.pro import PARSER
from codemonkeys.tasks.images import engine
from codemonkeys.wording import option

WORKSPACE = "/workspace"
OUTPUT, APPLIED = f"{WORKSPACE}/output.json", f"{WORKSPACE}/applied"
LOGS = (f"{WORKSPACE}/stdout.log", f"{WORKSPACE}/stderr.log")
SCRIPTS = ("run_script.sh", "parser.py")


class Scripts(NamedTuple):
    """What the repository of SWE-bench Pro has for one task."""

    run: bytes
    parser: bytes
    exports: str
    """The variables of its Dockerfiles, as commands of a shell."""


@dataclass(frozen=True)
class ProGrader:
    """Grades in containers; `image` returns a task's image, present in the engine, or raises EnvironmentFailed."""

    image: Callable[[str], str]
    folder: Path
    """A clone of SWE-bench_Pro-os, or its `run_scripts`."""
    isolated: bool = False
    seconds: float = LIMITS.seconds

    def check(self, key: AnswerKey) -> None:
        """Raise BadInput for a task whose scripts are not there."""
        read_scripts(self.folder, key.instance_id)

    def grade(
        self, jobs: Sequence[Job], run_id: str, folder: Path, workers: int, on_verdict: Callable[[Verdict], None]
    ) -> None:
        """Run the jobs, `workers` at a time; `on_verdict` is called with each verdict, from a worker thread."""
        stopped = Event()

        def grade(job: Job) -> None:
            verdict = self._grade_one(job, run_id)
            if not stopped.is_set():
                on_verdict(verdict)

        with worker_threads(workers, "grade", stopped.set) as submit:
            for done in [submit(partial(grade, job)) for job in jobs]:
                done.result()

    def _grade_one(self, job: Job, run_id: str) -> Verdict:
        id, log, patch = job.prediction.instance_id, job.log, job.prediction.model_patch
        scripts = read_scripts(self.folder, id)
        entry = scripts.exports + job.key.eval_script
        for name, text in (("patch.diff", patch), ("eval.sh", spec_of(job.key).eval_script), ("entryscript.sh", entry)):
            write_whole(log / name, text)
        files = {
            f"{WORKSPACE}/patch.diff": File(without_binary(patch).encode("utf-8", "surrogateescape")),
            f"{WORKSPACE}/entryscript.sh": File(entry.encode()),
            f"{WORKSPACE}/run_script.sh": File(scripts.run, 0o755),
            f"{WORKSPACE}/parser.py": File(scripts.parser),
        }
        command = (SHELL, f"{WORKSPACE}/entryscript.sh")
        script = ContainerScript(command, files, (OUTPUT, APPLIED, *LOGS), self.seconds)
        try:
            with engine() as client:
                done = run_in_container(client, self.image(id), run_id, script, self.isolated)
        except (EnvironmentFailed, OSError) as error:
            write_whole(log / LOG, f"{redact(str(error))}\n")
            return Verdict(id, Outcome.INFRASTRUCTURE, redact(str(error)))
        return _verdict(job, done)


def read_scripts(folder: Path, id: str) -> Scripts:
    """The scripts of a task. Raises BadInput naming the one that is missing, and where it comes from."""
    root = folder.parent if folder.name == "run_scripts" else folder
    place = root / "run_scripts" / id
    for name in SCRIPTS:
        if not (place / name).is_file():
            raise BadInput(
                f"{place / name} is missing, by which SWE-bench Pro grades {id}; clone the repository "
                f"SWE-bench_Pro-os, and give its folder with {option('scripts')}"
            )
    recipes = (root / "dockerfiles" / f"{kind}_dockerfile" / id / "Dockerfile" for kind in ("base", "instance"))
    lines = [line for recipe in recipes if recipe.is_file() for line in recipe.read_text("utf-8").splitlines()]
    exports = [line.replace("ENV", "export", 1) for line in lines if line.startswith("ENV")]
    return Scripts(*((place / name).read_bytes() for name in SCRIPTS), "".join(f"{line}\n" for line in exports))


def without_binary(patch: str) -> str:
    """A patch without the files of which it holds binary content."""
    parts = re.split(r"^(?=diff --git )", patch, flags=re.M)
    binary = re.compile(r"^(?:Binary files .* differ|GIT binary patch)$", re.M)
    return "".join(part for part in parts if not binary.search(part.partition("\n@@ ")[0]))


def passed_tests(output: bytes | None) -> set[str] | None:
    """Names of the tests that passed, from what a parser wrote; None if that cannot be read."""
    try:
        found: Any = json.loads(output or b"")
        return {str(test["name"]) for test in found["tests"] if test["status"] == "PASSED"}
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _verdict(job: Job, done: ContainerResult) -> Verdict:
    id, log, key = job.prediction.instance_id, job.log, job.key
    logs = "\n".join(done.results.get(path, b"").decode("utf-8", "replace") for path in LOGS)
    write_whole(log / TEST_OUTPUT, logs)
    write_whole(log / LOG, done.output)
    if done.exit_code is None:
        return Verdict(id, Outcome.LIMIT_REACHED, "timed out")
    if done.results.get(APPLIED, b"0").strip() != b"0":
        return Verdict(id, Outcome.PATCH_FAILED, done.output.strip()[-2000:])
    passed = passed_tests(done.results.get(OUTPUT))
    write_whole(log / "output.json", done.results.get(OUTPUT, b"").decode("utf-8", "replace"))
    report = report_of(key, passed or set())
    write_whole(log / REPORT, json.dumps({id: report}, indent=4))
    verdict = verdict_of(id, report)
    if passed is None:
        return Verdict(id, Outcome.NOT_RESOLVED, "its parser wrote no list of tests", verdict.tests)
    return verdict


def report_of(key: AnswerKey, passed: set[str]) -> dict[str, Any]:
    """The result in the form of swebench: resolved if all tests of both lists are among those that passed."""
    lists = {"FAIL_TO_PASS": key.FAIL_TO_PASS, "PASS_TO_PASS": key.PASS_TO_PASS}
    status = {
        name: {"success": [t for t in tests if t in passed], "failure": [t for t in tests if t not in passed]}
        for name, tests in lists.items()
    }
    resolved = not any(found["failure"] for found in status.values())
    applied = {"patch_is_None": False, "patch_exists": True, "patch_successfully_applied": True}
    return {**applied, "resolved": resolved, "infra_failure": False, "tests_status": status}


def is_pro(key: AnswerKey) -> bool:
    """Whether a task is graded here."""
    return key.log_parser == PARSER

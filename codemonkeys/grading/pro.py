"""SWE-bench Pro is graded in its own order: in containers, with the scripts and parsers of its repository."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from codemonkeys.errors import BadInput
from codemonkeys.grading.containers import SHELL, ContainerResult, ContainerScript, File, report_tests
from codemonkeys.grading.layout import TEST_OUTPUT
from codemonkeys.grading.sandboxed import Job
from codemonkeys.grading.verdict import Outcome, Verdict
from codemonkeys.system.files import write_whole
from codemonkeys.tasks.answer_key import AnswerKey
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
class ProWay:
    """How SWE-bench Pro grades."""

    folder: Path
    """A clone of SWE-bench_Pro-os, or its `run_scripts`."""
    needs_image: bool = True

    def check(self, key: AnswerKey) -> None:
        """Raise BadInput for a task whose scripts are not there."""
        read_scripts(self.folder, key.instance_id)

    def script(self, job: Job, seconds: float) -> ContainerScript:
        """Its entry script and what that needs."""
        patch = job.prediction.model_patch
        scripts = read_scripts(self.folder, job.prediction.instance_id)
        entry = scripts.exports + job.key.eval_script
        write_whole(job.log / "entryscript.sh", entry)
        files = {
            f"{WORKSPACE}/patch.diff": File(without_binary(patch).encode("utf-8", "surrogateescape")),
            f"{WORKSPACE}/entryscript.sh": File(entry.encode()),
            f"{WORKSPACE}/run_script.sh": File(scripts.run, 0o755),
            f"{WORKSPACE}/parser.py": File(scripts.parser),
        }
        return ContainerScript((SHELL, f"{WORKSPACE}/entryscript.sh"), files, (OUTPUT, APPLIED, *LOGS), seconds)

    def verdict(self, job: Job, done: ContainerResult) -> Verdict:
        """Resolved if all tests of both lists are among those that its parser says have passed."""
        id, log = job.prediction.instance_id, job.log
        logs = "\n".join(done.results.get(path, b"").decode("utf-8", "replace") for path in LOGS)
        write_whole(log / TEST_OUTPUT, logs)
        if job.prediction.model_patch.strip() and done.results.get(APPLIED, b"0").strip() != b"0":
            return Verdict(id, Outcome.PATCH_FAILED, done.output.strip()[-2000:])
        passed = passed_tests(done.results.get(OUTPUT))
        write_whole(log / "output.json", done.results.get(OUTPUT, b"").decode("utf-8", "replace"))
        verdict = report_tests(job, passed or set())
        if passed is None:
            return Verdict(id, Outcome.NOT_RESOLVED, "its parser wrote no list of tests", verdict.tests)
        return verdict


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
    run, parser = ((place / name).read_bytes() for name in SCRIPTS)
    return Scripts(run, parser, "".join(f"{line}\n" for line in exports))


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

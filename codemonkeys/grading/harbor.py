"""Harbor's tasks are graded by their own tests/test.sh, in a container, and the reward that it writes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codemonkeys.errors import BadInput
from codemonkeys.grading.containers import ContainerResult, ContainerScript, File, report_tests
from codemonkeys.grading.layout import TEST_OUTPUT
from codemonkeys.grading.sandboxed import Job
from codemonkeys.grading.verdict import Outcome, Verdict
from codemonkeys.system.files import write_whole
from codemonkeys.tasks.answer_key import AnswerKey
from codemonkeys.tasks.sources.task_folders import REWARD, TEST, settings_of, task_folders

PATCH, APPLIED, PRINTED = "/patch.diff", "/patch.applied", "/logs/verifier/test-stdout.txt"
REWARDS = ("/logs/verifier/reward.json", "/logs/verifier/reward.txt")
# Whatever lay in the folders of tests and rewards came with the image.
ENTRY = f"""\
git apply -v {PATCH} || patch --batch --fuzz=5 -p1 -i {PATCH}
echo $? > {APPLIED}
rm -rf /tests /logs/verifier && mkdir -p /logs/verifier /logs/agent /logs/artifacts && mv /tests.given /tests
chmod +x /tests/test.sh
/tests/test.sh > {PRINTED} 2>&1
"""


@dataclass(frozen=True)
class HarborWay:
    """How Harbor grades."""

    source: Path
    """A task's folder, or a folder of them."""
    needs_image: bool = False

    def check(self, key: AnswerKey) -> None:
        """Raise BadInput for a task without tests, or whose tests need variables of the user."""
        folder = task_folders(self.source)[key.instance_id]
        for name, value in _verifier(folder).get("env", {}).items():
            if "${" in str(value):
                raise BadInput(f"{folder}: its tests need the user's {name}={value}, which no container here is given")

    def script(self, job: Job, seconds: float) -> ContainerScript:
        """The patch, then its tests."""
        folder = task_folders(self.source)[job.prediction.instance_id]
        verifier, tests = _verifier(folder), folder / "tests"
        files = {
            f"/tests.given/{path.relative_to(tests).as_posix()}": File(path.read_bytes(), path.stat().st_mode & 0o777)
            for path in sorted(tests.rglob("*"))
            if path.is_file() and not path.is_symlink()
        }
        files[PATCH] = File(job.prediction.model_patch.encode("utf-8", "surrogateescape"))
        # The folder of the repository, where the image itself does not begin in it.
        environment = settings_of(folder).get("environment", {})
        place = environment.get("workdir")
        enter = f"cd '{place}' || exit 3\n" if place else ""
        variables = {str(name): str(value) for name, value in verifier.get("env", {}).items()}
        limit = verifier.get("timeout_sec")
        return ContainerScript(
            ("/bin/sh", "-c", enter + ENTRY),
            files,
            (APPLIED, PRINTED, *REWARDS),
            float(limit) if isinstance(limit, int | float) and limit > 0 else seconds,
            variables,
        )

    def verdict(self, job: Job, done: ContainerResult) -> Verdict:
        """Resolved by a reward of 1; without a reward nothing is said about the patch."""
        id = job.prediction.instance_id
        write_whole(job.log / TEST_OUTPUT, done.results.get(PRINTED, b"").decode("utf-8", "replace"))
        if job.prediction.model_patch.strip() and done.results.get(APPLIED, b"0").strip() != b"0":
            return Verdict(id, Outcome.PATCH_FAILED, done.output.strip()[-2000:])
        reward = reward_of(*(done.results.get(path) for path in REWARDS))
        if reward is None:
            return Verdict(id, Outcome.INFRASTRUCTURE, "its tests/test.sh wrote no reward; see the log of its tests")
        write_whole(job.log / "reward.txt", f"{reward:g}\n")
        verdict = report_tests(job, {REWARD} if reward >= 1 else set())
        return Verdict(id, verdict.outcome, f"reward {reward:g}", verdict.tests)


def reward_of(as_json: bytes | None, as_text: bytes | None) -> float | None:
    """The reward that tests wrote: `reward` of the JSON, or its only value; or the number of the text. None if none."""
    try:
        if as_json is not None:
            found: Any = json.loads(as_json)
            if isinstance(found, dict):
                found = (
                    found["reward"] if "reward" in found else next(iter(found.values())) if len(found) == 1 else None
                )
            return float(found)
        return None if as_text is None else float(as_text.strip())
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _verifier(folder: Path) -> dict[str, Any]:
    told = settings_of(folder).get("verifier", {})
    if not isinstance(told, dict) or not isinstance(told.get("env", {}), dict):
        raise BadInput(f"{folder}: its verifier is not a table of settings")
    if not (folder / TEST).is_file():
        raise BadInput(f"{folder}: it has no {TEST} to grade by")
    return told

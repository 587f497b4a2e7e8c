"""Writes a mined fix as a task of a SWE-bench 5 task repository."""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from codemonkeys.mining.checking import END, START, Decision
from codemonkeys.mining.suites import Suite
from codemonkeys.mining.triage import Patches
from codemonkeys.tasks.sources.task_repository import COLUMN_FILES, TESTS_FILE

EVAL = """\
#!/bin/bash
set -uxo pipefail
export PATH=/opt/testbed/bin:$PATH
cd /testbed
git config --global --add safe.directory /testbed
{clear}git apply -v - <<'{mark}'
{patch}{mark}
: '{start}'
{command}
: '{end}'
{restore}"""


@dataclass(frozen=True)
class MinedTask:
    """A task, labels included."""

    id: str
    repo: str
    base_commit: str
    created_at: str
    language: str
    issue: str
    patches: Patches
    suite: Suite
    inputs: Mapping[str, bytes]
    """Files that its environment is built from."""

    @property
    def eval_script(self) -> str:
        """Puts the hidden tests in place, runs them, and takes them away."""
        return eval_script(self.patches, self.suite)


def eval_script(patches: Patches, suite: Suite) -> str:
    """The script that grades a patch: whatever the patch did to files of the hidden tests is undone first."""
    created = list(dict.fromkeys(change.path for change in patches.tests if change.creates))
    existing = [path for path in dict.fromkeys(c.path for c in patches.tests) if path not in created]
    restore = f"git checkout HEAD -- {shlex.join(existing)}\n" if existing else ""
    clear = f"rm -rf -- {shlex.join(created)}\n" if created else ""
    mark = f"EOF_{hashlib.sha256(patches.test.encode()).hexdigest()[:12]}"
    command = suite.command(suite.files(patches.tests))
    text = {"mark": mark, "patch": patches.test, "start": START, "command": command, "end": END}
    return EVAL.format(clear=clear + restore, restore=clear + restore, **text)


def write_task(folder: Path, task: MinedTask, decision: Decision) -> None:
    """Write the files of a task into an empty folder."""
    about = {
        "base_commit": task.base_commit,
        "created_at": task.created_at,
        "datasets": [dataset_of(task.repo)],
        "eval_type": "pass_and_fail",
        "image": f"codemonkeys/{task.id.lower()}:latest",
        "instance_id": task.id,
        "language": task.language,
        "log_parser": task.suite.parser,
        "repo": task.repo,
        "split": "test",
        "version": "1",
    }
    texts = {
        "problem_statement": task.issue + "\n",
        "patch": task.patches.gold,
        "test_patch": task.patches.test,
        "eval_script": task.eval_script,
    }
    tests = {"FAIL_TO_PASS": decision.fail_to_pass, "PASS_TO_PASS": decision.pass_to_pass}
    for column, text in texts.items():
        (folder / COLUMN_FILES[column]).write_text(text, "utf-8", newline="")
    (folder / TESTS_FILE).write_text(json.dumps(tests, indent=2) + "\n", "utf-8")
    # Every JSON text is YAML.
    (folder / "task.yaml").write_text("".join(f"{key}: {json.dumps(value)}\n" for key, value in about.items()), "utf-8")
    for name, content in task.inputs.items():
        (folder / name).write_bytes(content)


def write_index(repository: Path, repo: str) -> None:
    """Write `sweb.yaml` unless it is there."""
    path = repository / "sweb.yaml"
    if not path.exists():
        path.write_text(f"datasets:\n- {json.dumps(dataset_of(repo))}\nsplits:\n- test\n", "utf-8")


def dataset_of(repo: str) -> str:
    """Name of the data set that the tasks of a repository are in."""
    return f"mined/{repo.replace('/', '__')}"

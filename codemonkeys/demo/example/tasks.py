"""The example's tasks as a SWE-bench task repository, which is written from tasks.yaml where it is needed."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Collection, Sequence
from pathlib import Path

from codemonkeys.demo.example.script import FILE, ExampleTask, example_tasks
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.build_once import make_once
from codemonkeys.tasks.environments import default_home
from codemonkeys.tasks.records import Record
from codemonkeys.tasks.sources.task_repository import SOURCE as TASK_REPOSITORY

EVAL = """\
#!/bin/bash
set -uxo pipefail
cat > /tmp/hidden.py <<'END'
{program}END
: '>>>>> Start Test Output'
PYTHONPATH=. python /tmp/hidden.py
: '>>>>> End Test Output'
"""


class ExampleTasks:
    """The tasks of the example, from the package itself."""

    name = "example"
    accepts = "the tasks of the example run"

    def claims(self, source: str) -> bool:
        """Nothing: it is always named."""
        return False

    def pin(self, source: str, split: str | None, cached: bool) -> str:
        """The same everywhere."""
        return source

    def records(
        self, source: str, ids: Sequence[str] | None, columns: Collection[str], split: str | None
    ) -> Sequence[Record]:
        """Records of the task repository."""
        return TASK_REPOSITORY.records(str(task_repository()), ids, columns, split)

    def tasks(self, source: str, ids: Sequence[str] | None) -> Sequence[Task]:
        """Tasks of the task repository."""
        return TASK_REPOSITORY.tasks(str(task_repository()), ids)


SOURCE = ExampleTasks()


def task_repository() -> Path:
    """The task repository in the folder of what is built once; written if it is not there."""
    written = hashlib.sha256(FILE.read_bytes() + Path(__file__).read_bytes())
    folder = default_home() / "example" / written.hexdigest()[:16]
    make_once(folder, write_task_repository)
    return folder


def write_task_repository(folder: Path) -> None:
    """Write all tasks into a folder."""
    (folder / "sweb.yaml").write_text("datasets: [codemonkeys/example]\nsplits: [test]\n")
    for task in example_tasks().values():
        write_task(folder / "tasks" / task.id, task)


def write_task(folder: Path, task: ExampleTask) -> None:
    """Write the files of one task; its environment needs no package."""
    folder.mkdir(parents=True)
    (folder / "task.yaml").write_text(
        f"instance_id: {task.id}\nrepo: example/pocket\nbase_commit: 0123abcd\nversion: '1'\nsplit: test\n"
        "image: codemonkeys/example:none\nlog_parser: parse_log_pytest\neval_type: pass_and_fail\n"
    )
    (folder / "problem_statement.md").write_text(task.told["issue"])
    (folder / "gold.patch").write_text(task.gold_patch)
    (folder / "test.patch").write_text("")
    (folder / "eval.sh").write_text(EVAL.format(program=task.hidden_tests()))
    names = [f"tests/test_hidden.py::test_{name}" for name in task.told["hidden"]]
    keep = set(task.told.get("keep", ()))
    failing = [name for name, test in zip(names, task.told["hidden"], strict=True) if test not in keep]
    lists = {"FAIL_TO_PASS": failing, "PASS_TO_PASS": [name for name in names if name not in failing]}
    (folder / "tests.json").write_text(json.dumps(lists))
    (folder / "requirements.txt").write_text("")
    (folder / "install.sh").write_text(": nothing to install\n")
    with (
        # No time of writing in it: tasks with equal files share an environment.
        gzip.GzipFile(folder / "repo.tar.gz", "wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for path, text in task.files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))

"""A SWE-bench task repository with one very small task, whose environment needs no package and no network."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tarfile
from pathlib import Path

ID = "tiny__greeting-1"
FILES = {
    "greeting.py": 'def greet(name: str) -> str:\n    return f"Hello {name}"\n',
    "README.md": "Greets people.\n",
    ".gitignore": "made.txt\n",
}
GOLD = """\
diff --git a/greeting.py b/greeting.py
--- a/greeting.py
+++ b/greeting.py
@@ -1,2 +1,2 @@
 def greet(name: str) -> str:
-    return f"Hello {name}"
+    return f"Hello, {name}!"
"""
WRONG = GOLD.replace("Hello, {name}!", "Hi {name}")
# The log says what pytest would say: that is all swebench reads.
EVAL = """\
#!/bin/bash
set -uxo pipefail
cat > /tmp/hidden.py <<'END'
from greeting import greet
passed = greet("you") == "Hello, you!"
print("PASSED tests/test_greeting.py::test_name")
print("PASSED" if passed else "FAILED", "tests/test_greeting.py::test_comma")
raise SystemExit(not passed)
END
: '>>>>> Start Test Output'
PYTHONPATH=. python /tmp/hidden.py
: '>>>>> End Test Output'
"""


def make_task_repository(folder: Path, install: str = "echo made > made.txt\n", requirements: str = "") -> str:
    """Write the task repository into a folder; returns the source to load it from."""
    task = folder / "tasks" / ID
    task.mkdir(parents=True)
    (folder / "sweb.yaml").write_text("datasets: [tiny]\nsplits: [test]\n")
    (task / "task.yaml").write_text(
        f"instance_id: {ID}\nrepo: tiny/greeting\nbase_commit: 0123abcd\nversion: '1'\nsplit: test\n"
        "image: codemonkeys/tiny:none\nlog_parser: parse_log_pytest\neval_type: pass_and_fail\n"
    )
    (task / "problem_statement.md").write_text("A greeting has no comma and no exclamation mark.\n")
    (task / "gold.patch").write_text(GOLD)
    (task / "test.patch").write_text("")
    (task / "eval.sh").write_text(EVAL)
    names = {
        "FAIL_TO_PASS": ["tests/test_greeting.py::test_comma"],
        "PASS_TO_PASS": ["tests/test_greeting.py::test_name"],
    }
    (task / "tests.json").write_text(json.dumps(names))
    (task / "requirements.txt").write_text(requirements)
    (task / "install.sh").write_text(install)
    # No time of writing in it: tasks with equal files share an environment, which takes seconds to build.
    with (
        gzip.GzipFile(task / "repo.tar.gz", "wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as archive,
    ):
        for name, text in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    return str(folder)


def add_tasks(folder: Path, count: int) -> list[str]:
    """Add equal tasks to the repository until it has so many, each with its id in the issue; returns all ids."""
    ids = [ID, *(f"tiny__greeting-{number}" for number in range(2, count + 1))]
    first = folder / "tasks" / ID
    for id in ids[1:]:
        shutil.copytree(first, folder / "tasks" / id)
    for id in ids:
        task = folder / "tasks" / id
        (task / "task.yaml").write_text((task / "task.yaml").read_text().replace(ID, id))
        with (task / "problem_statement.md").open("a") as issue:
            issue.write(f"This is issue {id}.\n")
    return ids

"""The report's template turns a whole run over several files into lines that a JSON reader takes, one per message."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    env = dict(os.environ, PYTHONPATH=os.getcwd())
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "first.py").write_text("import os\nimport sys\n")
        Path(folder, "second.py").write_text("def f():\n    return missing\n")
        template = '{{ "Category": "{category}", "where": ["{path}", {line}] }}'
        command = [sys.executable, "-m", "pylint", "first.py", "second.py", "--score=n", f"--msg-template={template}"]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
        plain = subprocess.run(
            [*command[:-1], "--msg-template={category}"], cwd=folder, env=env, capture_output=True, text=True
        )
    lines = [line for line in done.stdout.splitlines() if line and not line.startswith("*")]
    count = len([line for line in plain.stdout.splitlines() if line and not line.startswith("*")])
    print(done.stdout, done.stderr[-300:])
    try:
        found = [json.loads(line) for line in lines]
    except ValueError as error:
        print("not JSON:", error)
        return 2
    categories = {item["Category"] for item in found}
    files = {item["where"][0] for item in found}
    good = len(found) == count >= 4 and {"warning", "error"} <= categories and files == {"first.py", "second.py"}
    return 0 if good and "UserWarning" not in done.stderr else 2


sys.exit(main())

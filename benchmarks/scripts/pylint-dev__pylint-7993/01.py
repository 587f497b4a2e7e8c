"""The template from the report prints one brace-wrapped category per message and no warning."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    env = dict(os.environ, PYTHONPATH=os.getcwd())
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sample.py").write_text("import os\nimport sys\n")
        template = '{{ "Category": "{category}" }}'
        command = [sys.executable, "-m", "pylint", "sample.py", "--score=n", f"--msg-template={template}"]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line and not line.startswith("*")]
    print(done.stdout)
    warned = "Don't recognize" in done.stderr
    print("warned about the template:", warned)
    wanted = {'{ "Category": "convention" }', '{ "Category": "warning" }'}
    return 0 if set(lines) == wanted and len(lines) >= 3 and not warned else 2


sys.exit(main())

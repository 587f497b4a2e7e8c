"""Doubled braces next to and around fields follow str.format: they come out single and are never fields."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

CASES = {
    "{{{category}}}": "{warning}",
    "{{category}} {category}": "{category} warning",
    "{{nothing}} {msg_id}": "{nothing} W0611",
    "{{}}{symbol}": "{}unused-import",
    "{{{{{line}}}}}": "{{1}}",
    "{line}:{category}": "1:warning",
}


def main() -> int:
    env = dict(os.environ, PYTHONPATH=os.getcwd())
    verdict = 0
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sample.py").write_text("import os\n")
        for template, wanted in CASES.items():
            command = [sys.executable, "-m", "pylint", "sample.py", "--score=n", "--disable=all"]
            command += ["--enable=unused-import", f"--msg-template={template}"]
            done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
            lines = [line for line in done.stdout.splitlines() if line and not line.startswith("*")]
            good = lines == [wanted] and "Don't recognize" not in done.stderr
            print("ok " if good else "BAD", template, "->", lines)
            if not good:
                verdict = 2
    return verdict


sys.exit(main())

"""Format specs of fields survive next to escaped braces, and an unknown field with a spec goes whole."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

CASES = {
    "{{{line:03d}}}": ("{001}", 0),
    "{{ {msg_id:<8}| }}": ("{ W0611   | }", 0),
    "[{category:>10}] {{{module}}}": ("[   warning] {sample}", 0),
    "{{x}} {unknown:>5}{line}": ("{x} 1", 1),
}


def main() -> int:
    env = dict(os.environ, PYTHONPATH=os.getcwd())
    verdict = 0
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sample.py").write_text("import os\n")
        for template, (wanted, complaints) in CASES.items():
            command = [sys.executable, "-m", "pylint", "sample.py", "--score=n", "--disable=all"]
            command += ["--enable=unused-import", f"--msg-template={template}"]
            done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
            lines = [line for line in done.stdout.splitlines() if line and not line.startswith("*")]
            found = done.stderr.count("Don't recognize")
            good = lines == [wanted] and found == complaints and "Traceback" not in done.stderr
            print("ok " if good else "BAD", template, "->", lines, "complaints:", found)
            if not good:
                verdict = 2
    return verdict


sys.exit(main())

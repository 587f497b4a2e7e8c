"""Ordinary templates act as before, named unknown fields are dropped with a warning, and braces work beside both."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

CASES = [
    ("{path}:{line}: [{msg_id}({symbol}), {obj}] {msg}", "sample.py:1: [W0611(unused-import), ] Unused import os", 0),
    ("{abspath}", None, 0),
    ("plain text", "plain text", 0),
    ("{C}{line}", "W1", 0),
    ("{one} {line} {two}", " 1 ", 2),
    ('{{"line": {line}, "what": "{msg}"}}', '{"line": 1, "what": "Unused import os"}', 0),
]


def main() -> int:
    env = dict(os.environ, PYTHONPATH=os.getcwd())
    verdict = 0
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sample.py").write_text("import os\n")
        for template, wanted, complaints in CASES:
            command = [sys.executable, "-m", "pylint", "sample.py", "--score=n", "--disable=all"]
            command += ["--enable=unused-import", f"--msg-template={template}"]
            done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
            lines = [line for line in done.stdout.splitlines() if line and not line.startswith("*")]
            expected = [str(Path(folder, "sample.py").resolve())] if wanted is None else [wanted]
            shown = [str(Path(line).resolve()) for line in lines] if wanted is None else lines
            found = done.stderr.count("Don't recognize")
            good = shown == expected and found == complaints
            print("ok " if good else "BAD", template, "->", lines, "complaints:", found)
            if not good:
                verdict = 2
    return verdict


sys.exit(main())

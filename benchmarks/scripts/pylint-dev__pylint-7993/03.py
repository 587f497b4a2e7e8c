"""An unknown field inside escaped braces is still warned about and dropped; its literal surroundings stay."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    env = dict(os.environ, PYTHONPATH=os.getcwd())
    cases = [
        ('{{ "c": "{category}", "x": "{nosuch}" }}', '{ "c": "warning", "x": "" }', ["nosuch"]),
        ("{{{nosuch:>5}}} {msg_id}", "{} W0611", ["nosuch"]),
        ("{nosuch}|{line:03d}|{msg_id}", "|001|W0611", ["nosuch"]),
    ]
    verdict = 0
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sample.py").write_text("import os\n")
        for template, wanted, unknown in cases:
            command = [sys.executable, "-m", "pylint", "sample.py", "--score=n", "--disable=all"]
            command += ["--enable=unused-import", f"--msg-template={template}"]
            done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
            lines = [line for line in done.stdout.splitlines() if line and not line.startswith("*")]
            warned = all(f"'{name}'" in done.stderr for name in unknown)
            clean = done.stderr.count("Don't recognize") == len(unknown) and "Traceback" not in done.stderr
            print(template, "->", lines, "warned" if warned else "no warning")
            if lines != [wanted] or not warned or not clean:
                verdict = 2
    return verdict


sys.exit(main())

"""An unknown option ends pylint before anything is linted: no message about the file, no score, and a failing code."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    env = dict(os.environ, PYTHONPATH=os.getcwd())
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "dirty.py").write_text("import os\n")
        command = [sys.executable, "-m", "pylint", "--bogus", "dirty.py"]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    text = done.stdout + done.stderr
    print(text[-800:])
    checks = {
        "no traceback": "Traceback" not in text,
        "the option is reported as unrecognized": "nrecognized" in text and "bogus" in text,
        "nothing is linted": "unused-import" not in text and "rated at" not in text,
        "the exit code is a failure": done.returncode not in (0, None),
        "no private name is shown": "_UnrecognizedOptionError" not in text,
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())

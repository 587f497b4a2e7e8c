"""`pylint -Q` keeps its E0015 line and ends without a traceback, with a failing exit code."""

import os
import subprocess
import sys
import tempfile


def main() -> int:
    env = dict(os.environ, PYTHONPATH=os.getcwd())
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "pylint", "-Q"], cwd=folder, env=env, capture_output=True, text=True
        )
    text = done.stdout + done.stderr
    checks = {
        "no traceback": "Traceback" not in text and "_UnrecognizedOptionError" not in text,
        "E0015 is still reported": "E0015" in text and "unrecognized-option" in text,
        "the option is named": "Unrecognized option found: Q" in text,
        "the exit code is a failure": done.returncode != 0,
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())

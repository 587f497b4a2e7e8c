"""What the user sees for -Q is short: the E0015 line with its header, a tip, and no line of Python code."""

import os
import re
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
    print(text[:1500])
    checks = {
        "header": "************* Module Command line" in text,
        "message line": "Command line:1:0: E0015: Unrecognized option found: Q (unrecognized-option)" in text,
        "something tells how to call it": bool(re.search(r"usage|help", text, re.IGNORECASE)),
        "no source locations": not re.search(r'File ".*", line \d+', text),
        "no exception class": "Error(" not in text and "exceptions." not in text,
        "failure": done.returncode != 0,
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())

"""The error comes before any other work and even with assertions off (-O); names of one character are fine."""

import subprocess
import sys

PROGRAM = """
from flask import Blueprint
for name in "a", "1", "-", "ü":
    Blueprint(name, __name__)
try:
    Blueprint("", __name__, static_folder="static", url_prefix="/x")
except ValueError as error:
    print("refused:", error)
else:
    print("accepted")
"""


def main() -> int:
    verdict = 0
    for options in ([], ["-O"]):
        done = subprocess.run([sys.executable, *options, "-c", PROGRAM], capture_output=True, text=True)
        print(options, ascii(done.stdout.strip()), done.stderr[-200:])
        if done.returncode != 0 or not done.stdout.startswith("refused:"):
            verdict = 2
    return verdict


sys.exit(main())

"""Unknown options in the combined, valued and late forms all end in a message that names them, never in a traceback."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

CASES = [
    (["-Qvalue", "sample.py"], "Q"),
    (["--bogus=a,b", "sample.py"], "bogus"),
    (["sample.py", "--bogus"], "bogus"),
    (["sample.py", "-Z"], "Z"),
    (["--disabel=all", "sample.py"], "disabel"),
    (["--output-format=json", "--bogus", "sample.py"], "bogus"),
]


def main() -> int:
    env = dict(os.environ, PYTHONPATH=os.getcwd())
    verdict = 0
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sample.py").write_text('"""Doc."""\nVALUE = 1\n')
        for args, name in CASES:
            command = [sys.executable, "-m", "pylint", *args]
            done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
            text = done.stdout + done.stderr
            good = "Traceback" not in text and name in text and done.returncode != 0
            print("ok " if good else "BAD", args, "->", done.returncode, text.strip().splitlines()[-1:])
            if not good:
                verdict = 2
    return verdict


sys.exit(main())

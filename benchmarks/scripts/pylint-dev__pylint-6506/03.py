"""Several unknown options next to a real file: each is named, there is no traceback, and the run fails."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    env = dict(os.environ, PYTHONPATH=os.getcwd())
    good = True
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sample.py").write_text('"""Doc."""\nVALUE = 1\n')
        for extra, names in (
            (["--first-bogus=1", "--second-bogus"], ["first-bogus", "second-bogus"]),
            (["-Q", "--third-bogus"], ["Q", "third-bogus"]),
        ):
            command = [sys.executable, "-m", "pylint", *extra, "sample.py"]
            done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
            text = done.stdout + done.stderr
            reported = [line for line in text.splitlines() if "unrecognized-option" in line]
            named = all(any(name in line for line in reported) for name in names)
            fine = named and "Traceback" not in text and done.returncode != 0
            print(extra, "->", done.returncode, reported, "ok" if fine else "BAD")
            good = good and fine
    return 0 if good else 2


sys.exit(main())

"""Unknown options next to --rcfile, --jobs, --exit-zero and -E end cleanly; --help and --version still succeed."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    env = dict(os.environ, PYTHONPATH=os.getcwd())
    verdict = 0
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sample.py").write_text('"""Doc."""\nVALUE = 1\n')
        Path(folder, "fine.rc").write_text("[MAIN]\njobs=1\n")

        def run(*args: str) -> tuple[int, str]:
            command = [sys.executable, "-m", "pylint", *args]
            done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
            return done.returncode, done.stdout + done.stderr

        for args in (
            ["--rcfile=fine.rc", "--bogus", "sample.py"],
            ["--jobs=2", "--bogus", "sample.py"],
            ["--exit-zero", "--bogus", "sample.py"],
            ["-E", "--bogus", "sample.py"],
        ):
            code, text = run(*args)
            good = "Traceback" not in text and "bogus" in text
            print("ok " if good else "BAD", args, "->", code)
            if not good:
                verdict = 2
        for args, part in (
            (["--version"], "pylint"),
            (["--help"], "usage"),
            (["--rcfile=fine.rc", "sample.py"], "rated"),
        ):
            code, text = run(*args)
            good = code == 0 and part in text
            print("ok " if good else "BAD", args, "->", code)
            if not good:
                verdict = 2
    return verdict


sys.exit(main())

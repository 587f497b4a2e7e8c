"""Unknown options stop the run cleanly while valid options, bad files and odd rcfile entries act as before."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    env = dict(os.environ, PYTHONPATH=os.getcwd())
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "clean.py").write_text('"""Doc."""\nVALUE = 1\n')
        Path(folder, "dirty.py").write_text("import os\n")
        Path(folder, "odd.rc").write_text("[MAIN]\nno-such-entry=1\n")

        def run(*args: str) -> tuple[int, str]:
            command = [sys.executable, "-m", "pylint", *args]
            done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
            return done.returncode, done.stdout + done.stderr

        code, text = run("--disable=all", "--bogus", "clean.py")
        answers = {"unknown option among valid ones": code != 0 and "Traceback" not in text and "bogus" in text}
        code, text = run("--score=n", "clean.py")
        answers["clean file passes"] = code == 0 and "E0015" not in text
        code, text = run("--score=n", "dirty.py")
        answers["unused import is still found"] = code != 0 and "unused-import" in text
        code, text = run("--rcfile=odd.rc", "clean.py")
        answers["unknown rcfile entry is reported, file still rated"] = "no-such-entry" in text and "rated" in text
    for name, good in answers.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(answers.values()) else 2


sys.exit(main())

"""Other first expressions that are no text, in files that pytest collects: none stops the collection of a folder."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

FIRST = ["0", "-3", "1.5", "3j", "1_000", "0x10", "True", "None", "...", "b'x'", "(1)", "1;2", "42  # answer"]


def main() -> int:
    env = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="")
    with tempfile.TemporaryDirectory() as folder:
        for number, first in enumerate(FIRST):
            body = f"{first}\n\n\ndef test_{number}():\n    value = {number}\n    assert value == {number}\n"
            Path(folder, f"test_first_{number}.py").write_text(body)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    print(done.stdout[-1200:])
    good = done.returncode == 0 and f"{len(FIRST)} passed" in done.stdout
    return 0 if good else 2


sys.exit(main())

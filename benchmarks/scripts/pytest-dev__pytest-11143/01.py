"""A test file whose first expression is a number is collected and its test runs."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    env = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_number.py").write_text("0\n\n\ndef test_one():\n    assert 1 + 1 == 2\n")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-k", "one"]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    print(done.stdout[-1500:])
    good = done.returncode == 0 and "1 passed" in done.stdout and "TypeError" not in done.stdout
    return 0 if good else 2


sys.exit(main())

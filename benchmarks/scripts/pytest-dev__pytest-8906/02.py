"""Following the message's advice works: a module skipped that way never runs the lines after the skip."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def pytest_on(folder: str, name: str, *extra: str) -> subprocess.CompletedProcess[str]:
    env = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="", COLUMNS="200")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *extra, name]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_bare.py").write_text('import pytest\n\npytest.skip("too old")\n')
        message = pytest_on(folder, "test_bare.py").stdout
        if "allow_module_level" in message:
            call = 'pytest.skip("too old", allow_module_level=True)'
        elif "skip_module" in message:
            call = 'pytest.skip_module("too old")'
        else:
            print("the message names no working way to skip a module")
            return 2
        rest = "raise RuntimeError('must not be reached')\n\n\ndef test_foo():\n    pass\n"
        Path(folder, "test_advised.py").write_text(f"import pytest\n\n{call}\n{rest}")
        done = pytest_on(folder, "test_advised.py", "-rs")
    print(done.stdout[-600:])
    good = "1 skipped" in done.stdout and "too old" in done.stdout and "error" not in done.stdout.lower()
    return 0 if good else 2


sys.exit(main())

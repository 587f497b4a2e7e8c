"""The hint is there with short tracebacks, without any, and in the JUnit file that a CI system shows."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def pytest_on(folder: str, name: str, *extra: str) -> subprocess.CompletedProcess[str]:
    env = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="", COLUMNS="200")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *extra, name]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def hinted(text: str) -> bool:
    """Whether the user is told of a way to skip a module that stops its import."""
    return "allow_module_level" in text or "skip_module" in text


def main() -> int:
    verdict = 0
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_bare.py").write_text('import pytest\n\npytest.skip("bare")\n')
        for options in ([], ["--tb=short"], ["--tb=native"], ["-q"], ["-v"]):
            done = pytest_on(folder, "test_bare.py", *options)
            good = done.returncode == 2 and hinted(done.stdout)
            print("ok " if good else "BAD", options)
            if not good:
                verdict = 2
        pytest_on(folder, "test_bare.py", "--junitxml=report.xml")
        report = Path(folder, "report.xml").read_text()
    print("in the JUnit file:", hinted(report))
    return verdict if hinted(report) else 2


sys.exit(main())

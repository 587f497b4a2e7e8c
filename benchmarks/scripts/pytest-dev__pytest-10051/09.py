"""A plugin that reads get_records from a hook sees what was logged after the last clear, for the phase it asks for."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

CONFTEST = """
import pytest

@pytest.fixture
def no_errors(caplog):
    yield
    found = [r.getMessage() for when in ("setup", "call") for r in caplog.get_records(when) if r.levelname == "ERROR"]
    print("FOUND", found)
    if found:
        pytest.fail("errors were logged: %s" % found)
"""
TEST = """
import logging

def test_cleared_away(no_errors, caplog):
    logging.error("expected")
    assert "expected" in caplog.text
    caplog.clear()

def test_after_the_clear(no_errors, caplog):
    caplog.clear()
    logging.error("unexpected")
"""


def main() -> int:
    env = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "conftest.py").write_text(CONFTEST)
        Path(folder, "test_it.py").write_text(TEST)
        command = [sys.executable, "-m", "pytest", "-s", "-p", "no:cacheprovider", "test_it.py"]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    print(done.stdout[-1800:])
    checks = {
        "cleared errors do not fail the test": "FOUND []" in done.stdout,
        "later errors do": "FOUND ['unexpected']" in done.stdout and "1 error" in done.stdout,
        "both tests pass by themselves": "2 passed" in done.stdout,
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())

"""Tests after one that cleared start with empty lists of their own, whether or not they ask for caplog."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

TEST = """
import logging

def test_first(caplog):
    logging.warning("dropped")
    caplog.clear()
    logging.warning("first")
    assert [r.getMessage() for r in caplog.get_records("call")] == ["first"]

def test_second(caplog):
    assert caplog.get_records("call") == [] == caplog.records
    logging.warning("second")
    assert [r.getMessage() for r in caplog.get_records("call")] == ["second"]
    assert caplog.get_records("setup") == []

def test_without_caplog():
    logging.warning("third")
"""


def main() -> int:
    env = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_it.py").write_text(TEST)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    print(done.stdout[-1500:])
    return 0 if done.returncode == 0 and "3 passed" in done.stdout else 2


sys.exit(main())

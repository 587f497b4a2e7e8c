"""Phases stay apart: a clear during the call keeps setup's records, and teardown sees the call as cleared."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

TEST = """
import logging
import pytest

def names(caplog, when):
    return [record.getMessage() for record in caplog.get_records(when)]

@pytest.fixture
def phases(caplog):
    logging.warning("in setup")
    yield
    logging.warning("in teardown")
    assert names(caplog, "setup") == ["in setup"]
    assert names(caplog, "call") == ["call two"]
    assert names(caplog, "teardown") == ["in teardown"]
    caplog.clear()
    assert names(caplog, "teardown") == []
    assert names(caplog, "call") == ["call two"]
    assert names(caplog, "setup") == ["in setup"]

def test_phases(caplog, phases):
    assert names(caplog, "setup") == ["in setup"]
    assert names(caplog, "call") == []
    logging.warning("call one")
    caplog.clear()
    assert names(caplog, "setup") == ["in setup"]
    logging.warning("call two")
"""


def main() -> int:
    env = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_it.py").write_text(TEST)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    print(done.stdout[-1500:])
    return 0 if done.returncode == 0 and "1 passed" in done.stdout else 2


sys.exit(main())

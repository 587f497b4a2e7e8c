"""A fixture that clears during setup: get_records("setup") is emptied, refills, and is the same in the test."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

TEST = """
import logging
import pytest

LOG = logging.getLogger("some.module")

def names(caplog, when):
    return [record.getMessage() for record in caplog.get_records(when)]

@pytest.fixture
def noisy(caplog):
    with caplog.at_level(logging.DEBUG, logger="some.module"):
        LOG.debug("start")
        assert names(caplog, "setup") == ["start"]
        caplog.clear()
        assert names(caplog, "setup") == []
        LOG.debug("ready")
    assert names(caplog, "setup") == ["ready"] == caplog.messages

def test_a(noisy, caplog):
    assert names(caplog, "setup") == ["ready"]
    assert caplog.records == [] == caplog.get_records("call")

def test_next_one_starts_fresh(caplog):
    assert names(caplog, "setup") == [] == names(caplog, "call")
"""


def main() -> int:
    env = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_it.py").write_text(TEST)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    print(done.stdout[-1500:])
    return 0 if done.returncode == 0 and "2 passed" in done.stdout else 2


sys.exit(main())

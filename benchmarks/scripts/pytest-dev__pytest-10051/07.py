"""An autouse fixture that clears before and after each test leaves the next test with lists that work."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

CONFTEST = """
import pytest

@pytest.fixture(autouse=True)
def clean_log(caplog):
    caplog.clear()
    yield
    assert caplog.get_records("teardown") == caplog.records
    caplog.clear()
    assert caplog.get_records("teardown") == [] == caplog.records
"""
TEST = """
import logging
import pytest

@pytest.mark.parametrize("count", [0, 1, 3])
def test_counts(caplog, count):
    for n in range(count):
        logging.error("error %d", n)
    assert len(caplog.get_records("call")) == count == len(caplog.records)
    caplog.clear()
    logging.error("last")
    assert [r.getMessage() for r in caplog.get_records("call")] == ["last"]
"""


def main() -> int:
    env = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "conftest.py").write_text(CONFTEST)
        Path(folder, "test_it.py").write_text(TEST)
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_it.py"]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    print(done.stdout[-1500:])
    return 0 if done.returncode == 0 and "3 passed" in done.stdout and "error" not in done.stdout.lower() else 2


sys.exit(main())

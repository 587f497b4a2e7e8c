"""The test module of the report: records and get_records("call") agree before and after caplog.clear()."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

TEST = """
import logging

def test_agreement(caplog):
    def agree():
        assert caplog.get_records("call") == caplog.records

    agree()
    logging.warning("test")
    agree()
    caplog.clear()
    agree()
    assert caplog.get_records("call") == []
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

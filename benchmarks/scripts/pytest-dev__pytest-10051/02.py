"""Records logged after one or several clears show up in get_records("call"), and only those."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

TEST = """
import logging

def names(caplog):
    return [record.getMessage() for record in caplog.get_records("call")]

def test_new_records_arrive(caplog):
    logging.warning("old")
    caplog.clear()
    logging.warning("new")
    assert names(caplog) == ["new"] == caplog.messages

def test_clear_repeatedly(caplog):
    for number in range(3):
        caplog.clear()
        logging.error("round %d", number)
        assert names(caplog) == [f"round {number}"] == caplog.messages
        assert caplog.text.count("round") == 1
    caplog.clear()
    assert names(caplog) == [] == caplog.record_tuples
    assert caplog.text == ""
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

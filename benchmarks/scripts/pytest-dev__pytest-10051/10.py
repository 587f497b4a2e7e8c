"""Clearing again and again, with nothing or much logged between, never lets the two views differ."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

TEST = """
import logging
import random

def test_random_walk(caplog):
    dice, expected = random.Random(1), []
    for step in range(200):
        if dice.random() < 0.3:
            caplog.clear()
            expected = []
        else:
            logging.warning("step %d", step)
            expected.append("step %d" % step)
        assert caplog.messages == expected
        assert [r.getMessage() for r in caplog.get_records("call")] == expected
        assert caplog.text.count("step") == len(expected)
    assert caplog.get_records("teardown") == []

def test_handler_and_unknown_phase(caplog):
    caplog.clear()
    logging.warning("seen")
    assert caplog.handler.records == caplog.get_records("call") == caplog.records
    assert len(caplog.records) == 1
    assert caplog.get_records("no such phase") == []
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

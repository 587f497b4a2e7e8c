"""Clearing agrees with get_records, and the failure report still shows all that was logged in the call."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

TEST = """
import logging

def test_fails_on_purpose(caplog):
    logging.warning("before clearing")
    caplog.clear()
    logging.warning("after clearing")
    count = len(caplog.get_records("call"))
    print(f"COUNT={count}")
    print(f"SAME={caplog.get_records('call') == caplog.records}")
    assert False
"""


def main() -> int:
    env = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_it.py").write_text(TEST)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--show-capture=all"]
        done = subprocess.run([*command, "test_it.py"], cwd=folder, env=env, capture_output=True, text=True)
    logged = done.stdout.partition("Captured log call")[2]
    checks = {
        "one failure": "1 failed" in done.stdout,
        "one record after the clear": "\nCOUNT=1\n" in done.stdout,
        "both views agree": "\nSAME=True\n" in done.stdout,
        "report shows both messages": "before clearing" in logged and "after clearing" in logged,
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())

"""A list taken from get_records before a clear: afterwards both ways to ask agree, in a test class and with levels."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

TEST = """
import logging

LOG = logging.getLogger("app.part")

class TestIt:
    def test_with_levels(self, caplog):
        caplog.set_level(logging.INFO, logger="app.part")
        LOG.debug("hidden")
        LOG.info("shown")
        assert [r.getMessage() for r in caplog.get_records("call")] == ["shown"]
        caplog.clear()
        LOG.info("again")
        with caplog.at_level(logging.DEBUG, logger="app.part"):
            LOG.debug("now shown")
        assert [r.getMessage() for r in caplog.get_records("call")] == ["again", "now shown"]
        assert caplog.get_records("call") == caplog.records
        assert caplog.record_tuples == [("app.part", 20, "again"), ("app.part", 10, "now shown")]

    def test_text_follows(self, caplog):
        LOG.warning("one")
        caplog.clear()
        assert caplog.text == "" and caplog.records == []
        LOG.warning("two")
        assert "two" in caplog.text and "one" not in caplog.text
        assert len(caplog.get_records("call")) == 1
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

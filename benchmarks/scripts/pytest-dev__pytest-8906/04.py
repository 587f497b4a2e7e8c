"""Advice for decorating single tests remains in the message, and the ordinary kinds of skip still skip."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def pytest_on(folder: str, name: str, *extra: str) -> subprocess.CompletedProcess[str]:
    env = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="", COLUMNS="200")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *extra, name]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


ORDINARY = """
import pytest

@pytest.mark.skip(reason="marked")
def test_marked():
    assert False

@pytest.mark.skipif(True, reason="conditional")
def test_conditional():
    assert False

def test_inside():
    pytest.skip("inside")

def test_runs():
    pass
"""


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_ordinary.py").write_text(ORDINARY)
        Path(folder, "test_flag.py").write_text('import pytest\npytest.skip("flag", allow_module_level=True)\n')
        Path(folder, "test_bare.py").write_text('import pytest\npytest.skip("bare")\n')
        ordinary = pytest_on(folder, "test_ordinary.py").stdout
        flag = pytest_on(folder, "test_flag.py").stdout
        bare = pytest_on(folder, "test_bare.py").stdout
    checks = {
        "three skipped, one passed": "1 passed, 3 skipped" in ordinary,
        "the flag skips the module": "1 skipped" in flag and "error" not in flag.lower(),
        "marks are still advised for tests": "pytest.mark.skip" in bare,
        "a working module skip is advised": "allow_module_level" in bare or "skip_module" in bare,
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())

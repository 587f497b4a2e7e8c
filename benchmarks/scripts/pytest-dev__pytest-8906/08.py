"""A skip in a helper that the module calls, and in a class body, is explained as well; inside a fixture it skips."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def pytest_on(folder: str, name: str, *extra: str) -> subprocess.CompletedProcess[str]:
    env = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="", COLUMNS="200")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *extra, name]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def hinted(text: str) -> bool:
    """Whether the user is told of a way to skip a module that stops its import."""
    return "allow_module_level" in text or "skip_module" in text


SOURCES = {
    "helper": 'from helper import needs\nneeds("gpu")\n\n\ndef test_it():\n    pass\n',
    "class_body": 'import pytest\n\n\nclass TestIt:\n    pytest.skip("body")\n\n    def test_it(self):\n        pass\n',
}
FIXTURE = """
import pytest

@pytest.fixture
def gpu():
    pytest.skip("no gpu")

def test_it(gpu):
    assert False
"""


def main() -> int:
    verdict = 0
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "helper.py").write_text("import pytest\n\n\ndef needs(what):\n    pytest.skip('no ' + what)\n")
        for name, source in SOURCES.items():
            Path(folder, f"test_{name}.py").write_text(source)
            done = pytest_on(folder, f"test_{name}.py")
            good = done.returncode == 2 and hinted(done.stdout)
            print("ok " if good else "BAD", name)
            if not good:
                verdict = 2
        Path(folder, "test_fixture.py").write_text(FIXTURE)
        inside = pytest_on(folder, "test_fixture.py").stdout
        print("in a fixture:", inside.strip().splitlines()[-1:])
    return verdict if "1 skipped" in inside and "error" not in inside.lower() else 2


sys.exit(main())

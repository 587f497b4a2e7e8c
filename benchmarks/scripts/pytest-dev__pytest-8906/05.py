"""In a run over a folder only the bare-skip module errs, with the hint in its section; its neighbours still run."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def pytest_on(folder: str, name: str, *extra: str) -> subprocess.CompletedProcess[str]:
    env = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="", COLUMNS="200")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *extra, name]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_a_bare.py").write_text('import pytest\n\npytest.skip("bare")\nimport no_such_module\n')
        Path(folder, "test_b_plain.py").write_text("def test_plain():\n    pass\n")
        source = 'import pytest\n\npytest.skip("flag", allow_module_level=True)\nimport no_such_module\n'
        Path(folder, "test_c_skipped.py").write_text(source)
        done = pytest_on(folder, ".", "--continue-on-collection-errors")
    section = done.stdout.partition("ERROR collecting test_a_bare.py")[2].partition("short test summary")[0]
    checks = {
        "neighbours run": "1 passed" in done.stdout and "1 skipped" in done.stdout and "1 error" in done.stdout,
        "import after the skip is not blamed": "no_such_module" not in section,
        "hint in the error section": "allow_module_level" in section or "skip_module" in section,
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())

"""Plugins and packages that pytest rewrites may begin with a number too, and their asserts are explained."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

FILES = {
    "conftest.py": "import pytest\npytest.register_assert_rewrite('helpers')\n",
    "helpers.py": "99\n\n\ndef check(value):\n    assert value == 5\n",
    "package/__init__.py": "1\n",
    "package/test_inner.py": "2\nfrom helpers import check\ndef test_a():\n    check(5)\ndef test_b():\n    check(6)\n",
    "test_quiet.py": "'''PYTEST_DONT_REWRITE'''\n\n\ndef test_quiet():\n    value = 8\n    assert value == 9\n",
}


def main() -> int:
    env = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="")
    with tempfile.TemporaryDirectory() as folder:
        for name, text in FILES.items():
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", folder]
        done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    print(done.stdout[-1500:])
    checks = {
        "all are collected": "2 failed, 1 passed" in done.stdout and "ERROR collecting" not in done.stdout,
        "the helper's assert is explained": "assert 6 == 5" in done.stdout,
        "the quiet one is not": "assert 8 == 9" not in done.stdout,
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())

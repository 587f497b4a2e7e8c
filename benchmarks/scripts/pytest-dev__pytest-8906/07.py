"""The message does not send the user to pytestmark alone, which does not stop the import; it reads as one message."""

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


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_bare.py").write_text('import pytest\n\npytest.skip("old")\n')
        text = " ".join(pytest_on(folder, "test_bare.py").stdout.split())
    start = text.find("Using pytest.skip")
    message = text[start : text.find("=====", start)] if start >= 0 else text
    print(message)
    checks = {
        "it speaks of pytest.skip": "pytest.skip" in message,
        "it names a working way": hinted(message),
        "it still names the decorators": "skipif" in message,
        "its quotes are paired": message.count("`") % 2 == 0,
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())

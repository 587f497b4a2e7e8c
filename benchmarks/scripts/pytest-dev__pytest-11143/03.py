"""After a leading number asserts are explained; a real docstring can still switch the rewriting off."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

BODY = "\n\n\ndef test_it():\n    items = [1, 2]\n    assert len(items) == 3\n"
FIRST = {
    "number": ("1234", True),
    "plain_docstring": ('"""About."""', True),
    "switched_off": ('"""PYTEST_DONT_REWRITE"""', False),
    "nothing": ("", True),
}


def main() -> int:
    env = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="")
    verdict = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, (first, rewritten) in FIRST.items():
            Path(folder, f"test_{name}.py").write_text(first + BODY)
            command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"test_{name}.py"]
            done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
            failed = done.returncode == 1 and "1 failed" in done.stdout
            explained = "where 2 = len([1, 2])" in done.stdout
            print(name, "-> test failed:", failed, "explained:", explained, "expected:", rewritten)
            if not failed or explained != rewritten:
                verdict = 2
    return verdict


sys.exit(main())

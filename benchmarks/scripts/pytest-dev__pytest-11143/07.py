"""-k, --collect-only and a second run from cached bytecode work for a file that begins with a number."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def main() -> int:
    env = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="")
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    verdict = 0
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "test_socks.py").write_text("11\n\n\ndef test_socks_user():\n    assert 'a' != 'b'\n")
        Path(folder, "test_other.py").write_text("def test_other():\n    pass\n")
        for args, wanted in (
            (["-k", "socks"], "1 passed, 1 deselected"),
            (["-k", "other"], "1 passed, 1 deselected"),
            (["--collect-only"], "2 tests collected"),
            ([], "2 passed"),
            ([], "2 passed"),
        ):
            command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *args]
            done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
            good = done.returncode == 0 and wanted in done.stdout
            print("ok " if good else "BAD", args, "->", done.stdout.strip().splitlines()[-1:])
            if not good:
                verdict = 2
    return verdict


sys.exit(main())

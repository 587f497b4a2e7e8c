"""The hint also appears for other routes to a module-level skip, and each of them stays a collection error."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path


def pytest_on(folder: str, name: str, *extra: str) -> subprocess.CompletedProcess[str]:
    env = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="", COLUMNS="200")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *extra, name]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)


SOURCES = {
    "positional": 'import pytest\n\npytest.skip("because")\n',
    "conditional": 'import sys\n\nimport pytest\n\nif sys.version_info > (3,):\n    pytest.skip("because")\n',
    "raised": 'import pytest\n\nraise pytest.skip.Exception("because")\n',
    "no_reason": "import pytest\n\npytest.skip()\n",
}


def main() -> int:
    verdict = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, source in SOURCES.items():
            Path(folder, f"test_{name}.py").write_text(source + "\n\ndef test_it():\n    pass\n")
            done = pytest_on(folder, f"test_{name}.py")
            hinted = "allow_module_level" in done.stdout or "skip_module" in done.stdout
            stopped = done.returncode == 2 and "1 error" in done.stdout and "INTERNALERROR" not in done.stdout
            print(name, "-> hinted:", hinted, "collection error:", stopped)
            if not (hinted and stopped):
                verdict = 2
    return verdict


sys.exit(main())

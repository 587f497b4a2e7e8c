"""A bare skip() at module level tells the user of a way to skip the whole module that really stops the import."""

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
        source = 'from pytest import skip\n\nskip(msg="Requires Python >= 3.8")\n\n\ndef test_foo():\n    pass\n'
        Path(folder, "test_mod.py").write_text(source)
        done = pytest_on(folder, "test_mod.py", "--tb=line")
    print(done.stdout[-900:])
    explained = "Using pytest.skip outside of a test" in done.stdout
    hinted = "allow_module_level" in done.stdout or "skip_module" in done.stdout
    print("error shown:", done.returncode != 0, "known text:", explained, "better way named:", hinted)
    return 0 if done.returncode != 0 and hinted else 2


sys.exit(main())

"""importorskip, skip in a doctest and mark-based skips of whole modules are as they were; a bare skip is explained."""

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


FILES = {
    "test_import.py": "import pytest\n\npytest.importorskip('no_such_module')\n\ndef test_it():\n    assert False\n",
    "test_mark.py": "import pytest\n\npytestmark = pytest.mark.skip(reason='x')\n\ndef test_it():\n    assert False\n",
    "test_doc.txt": ">>> import pytest\n>>> pytest.skip('not here')\n>>> 1\n2\n",
    "test_runs.py": "def test_runs():\n    pass\n",
}


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        for name, text in FILES.items():
            Path(folder, name).write_text(text)
        ordinary = pytest_on(folder, ".").stdout
        Path(folder, "test_bare.py").write_text('import pytest\n\npytest.skip("bare")\n')
        bare = pytest_on(folder, "test_bare.py").stdout
    print(ordinary[-400:])
    checks = {
        "ordinary skips": "1 passed, 3 skipped" in ordinary and "error" not in ordinary.lower(),
        "the bare one is explained": hinted(bare) and "1 error" in bare,
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())

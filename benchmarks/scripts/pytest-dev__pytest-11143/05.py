"""Whole-folder runs: conftest, number-only module, importlib mode and plain mode all survive leading numbers."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

FILES = {
    "conftest.py": "7\nimport pytest\n\n@pytest.fixture\ndef seven():\n    assert True\n    return 7\n",
    "test_only_number.py": "12\n",
    "test_float.py": "0.5  # half\n\ndef test_fixture(seven):\n    assert seven == 7\n",
    "test_bytes.py": "b'raw'\n\nclass TestIt:\n    def test_method(self):\n        assert 'a' in 'abc'\n",
    "test_docstring.py": '"""A docstring."""\n\ndef test_plain():\n    assert __doc__ == "A docstring."\n',
}


def main() -> int:
    env = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTEST_ADDOPTS="")
    verdict = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, text in FILES.items():
            Path(folder, name).write_text(text)
        for extra in (["--assert=rewrite"], ["--import-mode=importlib"], ["--assert=plain"]):
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *extra]
            done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
            good = done.returncode == 0 and "3 passed" in done.stdout and "error" not in done.stdout.lower()
            print(extra, "->", done.returncode, done.stdout.strip().splitlines()[-1:] or done.stderr[-300:])
            if not good:
                verdict = 2
    return verdict


sys.exit(main())

"""The report's own module, with a syntax it must not reach: the bare skip is explained, the advised one skips."""

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
        Path(folder, "too_new.py").write_text("def foo(a, /, b:\n    not even python\n")
        module = (
            "import sys\nfrom pytest import raises, skip\nif sys.version_info < (99,):\n    skip({call})\n"
            "from too_new import *\n\n\ndef test_foo():\n    assert foo(10, 20) == 30\n"
        )
        reason = "'Requires Python >= 99'"
        Path(folder, "test_bare.py").write_text(module.format(call=reason))
        Path(folder, "test_flag.py").write_text(module.format(call=f"{reason}, allow_module_level=True"))
        bare = pytest_on(folder, "test_bare.py")
        flag = pytest_on(folder, "test_flag.py", "-rs")
    print(bare.stdout[-700:])
    checks = {
        "the bare skip is an error": bare.returncode == 2 and "1 error" in bare.stdout,
        "it says how to skip the module": hinted(bare.stdout),
        "the syntax is not blamed": "SyntaxError" not in bare.stdout,
        "the flag skips": "1 skipped" in flag.stdout and "Requires Python >= 99" in flag.stdout,
    }
    for name, good in checks.items():
        print(f"{'ok ' if good else 'BAD'} {name}")
    return 0 if all(checks.values()) else 2


sys.exit(main())

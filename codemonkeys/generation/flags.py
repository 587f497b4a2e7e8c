"""Flags patches that touch files affecting how tests run: for manual review, never a verdict by itself."""

from __future__ import annotations

import re
import sys
from pathlib import PurePosixPath

from codemonkeys.generation.paths import patch_paths

TEST_FOLDERS = frozenset({"test", "tests", "testing"})
TEST_FILE = re.compile(r"test_.*\.py|.*_tests?\.py|tests?\.py")
TEST_SETTINGS = frozenset(
    {
        *("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml", "tox.ini", "tox.toml", "noxfile.py"),
        *("setup.cfg", "setup.py", "pyproject.toml", ".coveragerc"),
    }
)
SITE = re.compile(r"(?:site|user)customize\.py|pyvenv\.cfg|.*\.pth|.*\.egg-link")
SHADOWED = frozenset({*sys.stdlib_module_names, "pytest", "_pytest", "py", "pluggy", "iniconfig"})

# Headers that git ignores but patch(1), the harness's last resort, accepts.
OTHER_HEADERS = re.compile(r"^(?:Index: |\*\*\* )(\S+)", re.MULTILINE)


def suspicious(patch: str, test_patch: str = "") -> tuple[str, ...]:
    """Touched files that could change how tests run or what they report, as `kind: path`, in order.

    Kinds: `hidden test` (a file of `test_patch`), `test`, `conftest`, `test settings`, `site settings` (read by Python
    at start-up), `shadowed module` (shadows a standard library module or pytest).
    """
    hidden = set(patch_paths(test_patch))
    others = [path.split("/", 1)[-1] for path in OTHER_HEADERS.findall(patch) if path != "/dev/null"]
    paths = dict.fromkeys([*patch_paths(patch), *others])
    return tuple(f"{kind}: {path}" for path in paths if (kind := kind_of(path, hidden)))


def runner_flags(patch: str) -> tuple[str, ...]:
    """What a patch touches that can decide how other tests run: all that is suspicious but tests themselves."""
    return tuple(flag for flag in suspicious(patch) if not flag.startswith("test:"))


def kind_of(path: str, hidden: set[str]) -> str:
    """The kind of flag for a path; empty if it is not suspicious."""
    file = PurePosixPath(path)
    if path in hidden:
        return "hidden test"
    if file.name == "conftest.py":
        return "conftest"
    if SITE.fullmatch(file.name):
        return "site settings"
    if file.name in TEST_SETTINGS:
        return "test settings"
    if TEST_FILE.fullmatch(file.name) or TEST_FOLDERS.intersection(file.parts[:-1]):
        return "test"
    # At the root of the repository, or of its sources: what comes first on the path of `python -m pytest`.
    parts = file.parts[1:] if file.parts[0] == "src" else file.parts
    if file.suffix == ".py" and parts[0].removesuffix(".py") in SHADOWED and len(parts) <= 2:
        return "shadowed module"
    return ""

"""How the tests of a mined fix are run: a command whose output swebench's parsers understand."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from codemonkeys.context.languages import language_of
from codemonkeys.errors import BadInput
from codemonkeys.mining.history import FileChange

UNITTEST = Path(__file__).with_name("run_unittest.py")
PYTHON_NAMES = ("test_*.py", "*_test.py", "*_tests.py", "tests.py", "test.py")
NODE_NAMES = ("*.test.*", "*.spec.*", "*_test.*", "*-test.*", "test-*.*", "test.*")


class Suite(NamedTuple):
    """Tests of one kind."""

    name: str
    parser: str
    """Of swebench, that reads the output."""
    picks: Callable[[str], bool]
    """Whether a path is a file of tests that can be run."""
    command: Callable[[Sequence[str]], str]
    """Shell commands that run files of tests at the root of the repository."""

    def files(self, changes: Sequence[FileChange]) -> tuple[str, ...]:
        """The files of tests that there are after the changes."""
        return tuple(dict.fromkeys(c.path for c in changes if not c.deletes and self.picks(c.path)))


def _is_python(path: str) -> bool:
    name = posixpath.basename(path)
    return language_of(path) == "python" and any(fnmatchcase(name, pattern) for pattern in PYTHON_NAMES)


def _is_node(path: str) -> bool:
    name = posixpath.basename(path)
    in_folder = not {"test", "tests", "__tests__"}.isdisjoint(path.split("/")[:-1])
    runs = path.endswith((".js", ".mjs", ".cjs"))
    return runs and (any(fnmatchcase(name, pattern) for pattern in NODE_NAMES) or in_folder)


def _pytest(files: Sequence[str]) -> str:
    return f"python -m pytest -rA --color=no -p no:cacheprovider -o addopts= {shlex.join(files)}"


def _unittest(files: Sequence[str]) -> str:
    return f"python - {shlex.join(files)} <<'END_OF_PROGRAM'\n{UNITTEST.read_text('utf-8')}END_OF_PROGRAM"


def _go(files: Sequence[str]) -> str:
    folders = dict.fromkeys(f"./{posixpath.dirname(path)}".rstrip("/") for path in files)
    return f"go test -v -count=1 {shlex.join(folders)}"


def _cargo(files: Sequence[str]) -> str:
    named = [path.split("/")[1].removesuffix(".rs") for path in files if path.count("/") == 1]
    # Tests of a workspace's member, or in a module of a test program, are not named by a file.
    only = [word for name in named for word in ("--test", name)] if len(named) == len(files) else []
    return f"cargo test --offline --no-fail-fast --color never {shlex.join(only)}".rstrip()


def _node(files: Sequence[str]) -> str:
    return f"node --test --test-reporter=tap {shlex.join(files)}"


PYTEST = Suite("pytest", "parse_log_pytest", _is_python, _pytest)
PLAIN = Suite("unittest", "parse_log_pytest", _is_python, _unittest)
OTHERS = {
    "go": Suite("go test", "parse_log_gotest", lambda path: path.endswith("_test.go"), _go),
    "rust": Suite("cargo test", "parse_log_cargo", lambda path: path.endswith(".rs"), _cargo),
    "javascript": Suite("node --test", "parse_log_tap", _is_node, _node),
}
"""By language of the repository."""


def suite_for(language: str, has_pytest: bool) -> Suite:
    """The tests of a repository in this language. Raises BadInput if none are known."""
    if language == "python":
        return PYTEST if has_pytest else PLAIN
    if language not in OTHERS:
        known = ", ".join(("python", *OTHERS))
        raise BadInput(f"tests of a {language} repository cannot be mined; languages that can be: {known}")
    return OTHERS[language]

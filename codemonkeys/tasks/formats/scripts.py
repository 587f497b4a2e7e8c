"""Scripts that grade: in the form of SWE-bench, or commands between the two patches and a log in a container."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from codemonkeys.tasks.formats.base import BadColumn, Row
from codemonkeys.tasks.formats.values import text_of, unpacked

FOLDER = "/grading"
"""Where a container has the patches, and leaves what is read from it."""
PATCH, TEST_PATCH = f"{FOLDER}/patch.diff", f"{FOLDER}/test.diff"
APPLIED, TESTS_APPLIED, LOG = f"{FOLDER}/applied", f"{FOLDER}/tests_applied", f"{FOLDER}/log.txt"
GIT_OR_PATCH = ("git apply -v", "patch --batch --fuzz=5 -p1 -i")
ACTIVATE = "if [ -f /opt/miniconda3/bin/activate ]; then . /opt/miniconda3/bin/activate testbed; fi"
"""The images of SWE-bench, and of those that follow it, have a repository's packages in a conda environment."""
NO_TESTS = re.compile(r"\.(?:json|png|csv|txt|md|jpg|jpeg|pkl|ya?ml|toml)$")
"""Files of a test patch that no test runner takes."""


class Changed(NamedTuple):
    """A file that a patch changes."""

    path: str
    """Its path afterwards; before, if it is removed."""
    new: bool
    removed: bool


def changed_files(patch: str) -> list[Changed]:
    """The files that a patch in git's form changes, in its order; those in quotes are left out."""
    found = []
    for part in re.split(r"^(?=diff --git )", patch, flags=re.M)[1:]:
        head = part.partition("\n@@ ")[0]
        path = re.match(r"diff --git a/.* b/(.*)$", head, re.M)
        if path is not None:
            new, removed = (re.search(rf"^{word} file mode ", head, re.M) is not None for word in ("new", "deleted"))
            found.append(Changed(path[1], new, removed))
    return found


def quoted(paths: Iterable[str]) -> str:
    """Paths as words of a shell."""
    return " ".join(map(shlex.quote, paths))


def pytest_script(test_patch: str, command: str, before: Sequence[str] = (), names: str | None = None) -> str:
    """A script as SWE-bench's: the hidden tests are added, run between its two markers, and taken away.

    `command`: the test runner, to which the test files of the patch are given, or `names` instead.
    """
    files = changed_files(test_patch)
    kept = quoted(file.path for file in files if not file.new)
    new = quoted(file.path for file in files if file.new)
    reset = [f"git checkout HEAD -- {kept}"] if kept else []
    reset += [f"rm -f -- {new}"] if new else []
    end = f"EOF_{hashlib.sha256(test_patch.encode('utf-8', 'surrogateescape')).hexdigest()[:16]}"
    added = [f"git apply -v - <<'{end}'", test_patch.rstrip("\n"), end] if test_patch.strip() else []
    tests = quoted(file.path for file in files if not file.removed and not NO_TESTS.search(file.path))
    return "\n".join(
        [
            *("#!/bin/bash", "set -xo pipefail", ACTIVATE, "cd /testbed"),
            "git config --global --add safe.directory /testbed",
            *before,
            *reset,
            *added,
            ": '>>>>> Start Test Output'",
            f"{command} {tests if names is None else names}".rstrip(),
            ": '>>>>> End Test Output'",
            *reset,
            "",
        ]
    )


def container_script(
    place: str,
    commands: Sequence[str],
    apply: Sequence[str] = GIT_OR_PATCH,
    tests_first: bool = False,
    before: Sequence[str] = (),
) -> str:
    """A script that applies the two patches and runs commands, which leave their output in LOG.

    It ends at a patch that does not apply, and leaves the results in APPLIED and TESTS_APPLIED. `apply`: commands that
    are tried in turn for each patch; `tests_first`: the hidden tests before the prediction; `before`: commands first.
    """
    steps = [apply_step(PATCH, APPLIED, apply), apply_step(TEST_PATCH, TESTS_APPLIED, apply)]
    start = [f"cd {shlex.quote(place)} || exit 3", "git config --global --add safe.directory '*'"]
    return "\n".join([*start, *before, *(reversed(steps) if tests_first else steps), *commands, ""])


def apply_step(patch: str, result: str, commands: Sequence[str] = GIT_OR_PATCH) -> str:
    """The command that applies a patch, if it is not empty, and leaves the exit code in a file; ends if it fails."""
    attempts = " || ".join(f"{command} {patch}" for command in commands)
    return f"echo 0 > {result}; if [ -s {patch} ]; then {attempts} || {{ echo 1 > {result}; exit 0; }}; fi"


def logged(commands: Sequence[str], log: str = LOG) -> list[str]:
    """Commands whose output goes to a file."""
    return ["{", *(commands or ["true"]), f"}} > {log} 2>&1"]


def commands_of(row: Row, column: str) -> list[str]:
    """A column with one command, or a list of them, without empty ones. Raises BadColumn."""
    return as_commands(unpacked_or_text(row, column), column)


def as_commands(value: Any, column: str) -> list[str]:
    """One command, or a list of them. Raises BadColumn."""
    listed: Any = [value] if isinstance(value, str) else value or []
    if not isinstance(listed, list) or not all(isinstance(command, str) for command in listed):
        raise BadColumn(f"column {column!r} is neither a command nor a list of commands")
    return [command for command in listed if command.strip()]


def unpacked_or_text(row: Row, column: str) -> Any:
    """A column whose text may be a list that is packed, or a command itself."""
    value = row.get(column)
    if isinstance(value, str) and not value.lstrip().startswith("["):
        return text_of(row, column)
    try:
        return unpacked(column)(row)
    except BadColumn:
        return value

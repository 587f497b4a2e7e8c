"""Tells by its changes alone whether a commit can be a task: the two patches it makes, or why it is left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from codemonkeys.context.languages import is_prose, is_test, suffix_of
from codemonkeys.errors import BadInput
from codemonkeys.generation.edits import NOTHING
from codemonkeys.mining.history import FileChange
from codemonkeys.mining.suites import Suite
from codemonkeys.selection.equivalence import normal_form
from codemonkeys.tasks.snapshot import Snapshot

TEST_DATA = (".snap", ".ambr")
"""Suffixes of recorded results that lie beside tests."""
_VERSION = re.compile(
    r"""["']?(?:__)?\w*version\w*["']?\s*(?::\s*\w+\s*)?[:=]\s*\(?["']?v?\d+[\w.,+ "'-]*\)?,?;?""", re.I
)


class Patches(NamedTuple):
    """The parts of a commit."""

    source: tuple[FileChange, ...]
    tests: tuple[FileChange, ...]

    @property
    def gold(self) -> str:
        """The reference patch."""
        return "".join(change.diff for change in self.source)

    @property
    def test(self) -> str:
        """The patch of the hidden tests."""
        return "".join(change.diff for change in self.tests)

    @property
    def paths(self) -> tuple[str, ...]:
        """Files that the reference patch changes."""
        return tuple(dict.fromkeys(change.path for change in self.source))


def split(changes: Sequence[FileChange]) -> Patches:
    """The changes of tests, and all others."""

    def of_tests(change: FileChange) -> bool:
        return is_test(change.path) or suffix_of(change.path) in TEST_DATA

    tests = tuple(change for change in changes if of_tests(change))
    return Patches(tuple(change for change in changes if not of_tests(change)), tests)


def why_no_task(changes: Sequence[FileChange], patches: Patches, suite: Suite) -> str:
    """Why the changes cannot make a task; empty if they can."""
    code = [change for change in patches.source if not is_prose(change.path)]
    if not changes:
        return "changes no file"
    if not code:
        return "changes only tests" if not patches.source else "changes only documentation"
    if not patches.tests:
        return "changes no tests"
    if any(change.of_submodule for change in changes):
        return "changes a submodule, whose files are not part of the commit"
    try:
        (patches.gold + patches.test).encode("utf-8")
    except UnicodeEncodeError:
        return "its diff is not UTF-8"
    if not suite.files(patches.tests):
        return f"changes no test file that {suite.name} can run"
    changed = [
        line[1:].strip() for change in code for line in change.diff.split("\n") if re.match(r"[-+](?!--|\+\+)", line)
    ]
    if changed and all(not line or _VERSION.fullmatch(line) for line in changed):
        return "changes only version numbers"
    return ""


def only_remarks(snapshot: Callable[[], Snapshot], patches: Patches) -> bool:
    """Whether the source stays the same but for comments, docstrings and layout. `snapshot` opens the commit before."""
    code = "".join(change.diff for change in patches.source if not is_prose(change.path))
    try:
        with snapshot() as before:
            return normal_form(before, code) == normal_form(before, NOTHING)
    except BadInput:
        return False  # a patch of something other than text

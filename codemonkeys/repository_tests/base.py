"""What a test runner of a repository is, and what is told of its tests in one form, whatever the runner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason, Script


class Status(StrEnum):
    """What became of a test."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not run, or expected to fail."""
    ERROR = "error"
    """It could not be set up or imported, or did not end."""


GRAVITY = (Status.PASSED, Status.SKIPPED, Status.ERROR, Status.FAILED)
"""From the mildest to the gravest."""


@dataclass(frozen=True)
class Report:
    """What a run of a repository's tests told."""

    outcomes: Mapping[str, Status] = field(default_factory=dict[str, Status])
    """By the name of the test."""
    ended: bool = True
    """False if time ran out. If True, a test without an outcome did not pass."""
    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    """What failed in tests, or in files of tests, by their name; untrusted."""
    printed: str = ""
    """The end of what the runner printed; untrusted."""
    why: str = ""
    """Why nothing is known, if so."""

    @property
    def passed(self) -> list[str]:
        """Names of the tests that passed, sorted."""
        return sorted(name for name, status in self.outcomes.items() if status is Status.PASSED)

    def broken(self, tests: Sequence[str]) -> tuple[str, ...] | None:
        """The tests that did not pass; None if nothing is known. After a timeout, unreached tests do not count."""
        if self.why:
            return None
        unreached = None if self.ended else Status.PASSED
        return tuple(name for name in tests if self.outcomes.get(name, unreached) is not Status.PASSED)

    def text_of(self, test: str) -> str:
        """What is known of why a test failed: its own text, that of its file, or what was printed."""
        return self.texts.get(test) or self.texts.get(test.split("::")[0]) or self.printed


@dataclass(frozen=True)
class TestRequest:
    """Tests to run."""

    __test__ = False  # Keeps pytest from collecting this class.

    files: tuple[str, ...]
    """Paths of test files."""
    restore: tuple[str, ...]
    """Paths to put back as they were committed, so that no edit of a test or of its configuration decides."""
    wanted: tuple[str, ...] | None
    """Names of the tests to run where the runner can choose; None for all in the files."""
    seconds: float
    tool: str
    """What the runner's probe printed."""


class Runner(Protocol):
    """Runs the tests of repositories of one kind."""

    @property
    def name(self) -> str:
        """The name by which it is chosen."""
        ...

    @property
    def probe(self) -> str:
        """Shell commands that print, as their last line, the tool that runs the tests; they fail without one."""
        ...

    @property
    def configuration(self) -> tuple[str, ...]:
        """Patterns of names of files that decide how tests run and are no part of what they test."""
        ...

    def claims(self, snapshot: Snapshot) -> bool:
        """Whether the repository's tests are run in this way, by its files."""
        ...

    def tests(self, snapshot: Snapshot) -> list[str]:
        """Paths of the test files that it can run, in path order."""
        ...

    def script(self, request: TestRequest) -> Script:
        """The program that runs tests in the repository's root and prints a report. Untrusted names are quoted."""
        ...

    def parse(self, output: str) -> Report:
        """The report that the program printed; with `why` set if it cannot be understood. Never raises."""
        ...


def read_report(runner: Runner, execution: Execution) -> Report:
    """What an execution of the runner's program told; nothing if the program did not end by itself."""
    if execution.reason is not Reason.EXITED:
        return Report(ended=False, why=f"the tests could not be run: {execution.reason.value}")
    return runner.parse(execution.output)


def gravest(one: Status | None, other: Status) -> Status:
    """Of two outcomes of one name the graver."""
    return other if one is None else max(one, other, key=GRAVITY.index)

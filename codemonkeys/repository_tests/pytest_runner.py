"""Tests that pytest runs, in the environment's Python or in an environment of tox or nox that exists."""

from __future__ import annotations

from codemonkeys.repository_tests.base import Report, TestRequest
from codemonkeys.repository_tests.python_files import has_tests, python_tests
from codemonkeys.repository_tests.python_program import parse_report, python_script
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Script


class PytestRunner:
    """pytest."""

    name = "pytest"
    probe = (
        "for python in python .tox/*/bin/python .nox/*/bin/python; do\n"
        '"$python" -c "import pytest" && echo "$python" && exit 0\n'
        "done\nexit 1"
    )
    configuration = ("conftest.py",)

    def claims(self, snapshot: Snapshot) -> bool:
        """Any Python repository with tests may."""
        return has_tests(snapshot)

    def tests(self, snapshot: Snapshot) -> list[str]:
        """Python files with tests."""
        return python_tests(snapshot)

    def script(self, request: TestRequest) -> Script:
        """If pytest does not understand the options of the repository's own settings, it runs without them."""
        return python_script(request, "pytest_report", options=((), ("-o", "addopts=")))

    def parse(self, output: str) -> Report:
        """See `parse_report`."""
        return parse_report(output)


RUNNER = PytestRunner()

"""Tests that SymPy's own runner runs, the one behind `bin/test`: its environment may have no pytest."""

from __future__ import annotations

from dataclasses import replace

from codemonkeys.repository_tests.base import Report, TestRequest
from codemonkeys.repository_tests.python_files import has_tests, python_tests
from codemonkeys.repository_tests.python_program import parse_report, python_script
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Script

PLACES = ("sympy.testing.runtests", "sympy.utilities.runtests")
"""Where the runner lies; the second in older versions."""


class SympyRunner:
    """SymPy's bin/test."""

    name = "sympy"
    probe = "\n".join(
        f'PYTHONPATH=. python -c "from {module} import SymPyTests" && echo {module} && exit 0' for module in PLACES
    )
    configuration = ()

    def claims(self, snapshot: Snapshot) -> bool:
        """By its script, and that it has tests."""
        return "bin/test" in snapshot and "sympy/__init__.py" in snapshot and has_tests(snapshot)

    def tests(self, snapshot: Snapshot) -> list[str]:
        """Files with tests in the package."""
        return [path for path in python_tests(snapshot) if path.startswith("sympy/")]

    def script(self, request: TestRequest) -> Script:
        """Tests run in one process, in the order of their files."""
        return python_script(replace(request, tool="python"), "sympy_report", request.tool)

    def parse(self, output: str) -> Report:
        """See `parse_report`."""
        return parse_report(output)


RUNNER = SympyRunner()

"""Tests that unittest runs: those of Django by its own script, and those of an environment without pytest."""

from __future__ import annotations

from dataclasses import dataclass

from codemonkeys.repository_tests.base import Report, TestRequest
from codemonkeys.repository_tests.python_files import has_tests, python_tests
from codemonkeys.repository_tests.python_program import holds_module, parse_report, python_script
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Script

DJANGO_SCRIPT = "tests/runtests.py"


@dataclass(frozen=True)
class UnittestRunner:
    """unittest, or a script that runs its tests with it."""

    name: str
    requires: tuple[str, ...]
    """Files by which a repository is known."""
    imports: str
    """Modules that the environment must have."""
    own: str | None = None
    """The repository's own script."""
    options: tuple[str, ...] = ()
    configuration: tuple[str, ...] = ()

    @property
    def probe(self) -> str:
        """Whether the modules can be imported, those of the repository too."""
        return f'PYTHONPATH=".:$PYTHONPATH" python -c "import {self.imports}" && echo python'

    def claims(self, snapshot: Snapshot) -> bool:
        """By its files, and that it has tests."""
        return holds_module(snapshot, *self.requires) and has_tests(snapshot)

    def tests(self, snapshot: Snapshot) -> list[str]:
        """Python files with tests; of a script's only those in its folder, from which it names them."""
        folder = f"{self.own.rpartition('/')[0]}/" if self.own else ""
        return [path for path in python_tests(snapshot) if path.startswith(folder)]

    def script(self, request: TestRequest) -> Script:
        """Tests run one after the other, in one process."""
        return python_script(request, "unittest_report", self.own, (self.options,))

    def parse(self, output: str) -> Report:
        """See `parse_report`."""
        return parse_report(output)


RUNNER = UnittestRunner("unittest", (), "unittest")
DJANGO = UnittestRunner(
    *("django", (DJANGO_SCRIPT, "django/__init__.py"), "django.test"),
    own=DJANGO_SCRIPT,
    options=("--verbosity=0", "--parallel=1"),
)

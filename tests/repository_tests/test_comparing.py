"""What edits break of the repository's own tests: by runners other than pytest, once for equal questions, and shown."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from codemonkeys.generation.asked_tests import run_asked
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.editing import write_edit
from codemonkeys.generation.look_ups import RunTests
from codemonkeys.generation.repository_check import check_repository, failures
from codemonkeys.keys import StepKey
from codemonkeys.repository_tests.base import Report, Status
from codemonkeys.repository_tests.comparing import run_tests, suite_of
from codemonkeys.selection.regression import Regressions, run_regressions
from codemonkeys.selection.votes import NumberedCandidate
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Environment, Execution, Limits, Reason, Script
from sandboxes.local import LocalSandbox
from tests.fakes import TASK
from tests.generation.test_conversations import CONTEXT, DONE, EDIT, said, script
from tests.rooms import MARKER, room
from tests.selection.test_regression import patch_of

ADDER = "def add(a, b):\n    return a + b\n"
CASES = """\
import unittest
from adder import add

class Adds(unittest.TestCase):
    def test_small(self):
        self.assertEqual(add(1, 2), 3)

    def test_parts(self):
        for n in (1, 2):
            with self.subTest(n=n):
                self.assertEqual(add(n, 0), n)

    def test_fails(self):
        self.assertEqual(add(1, 2), 4)

    @unittest.skip("later")
    def test_skipped(self):
        raise OSError
"""
UNITTEST = {"adder.py": ADDER, "test_adder.py": CASES}
DJANGO = {
    "django/__init__.py": "",
    "django/test.py": "",
    "adder.py": ADDER,
    "tests/sums/__init__.py": "",
    "tests/sums/test_adder.py": CASES,
    "tests/runtests.py": "import sys, unittest\n"
    "assert sys.argv[1:3] == ['--verbosity=0', '--parallel=1'], sys.argv\n"
    "suite = unittest.TestLoader().loadTestsFromNames(sys.argv[3:])\n"
    "print('test_fails (sums.test_adder.Adds) ... ok', file=sys.__stdout__)\n"
    "sys.exit(not unittest.TextTestRunner().run(suite).wasSuccessful())\n",
}
SYMPY = {
    "bin/test": "",
    "sympy/__init__.py": "",
    "sympy/adder.py": ADDER,
    "sympy/tests/test_adder.py": "from sympy.adder import add\n\ndef test_small():\n    assert add(1, 2) == 3\n\n"
    "def test_fails():\n    assert add(1, 2) == 4\n",
    "sympy/testing/__init__.py": "",
    # What the reporter of the real one has, and how it is called.
    "sympy/testing/runtests.py": """\
import os, sys

class PyTestReporter:
    def entering_filename(self, filename, n): pass
    def entering_test(self, f): pass
    def import_error(self, filename, exc_info): pass
    def test_pass(self, char="."): print("test_fails passed")
    def test_fail(self, exc_info): pass
    def test_exception(self, exc_info): pass
    def test_skip(self, v=None): pass
    def test_xfail(self): pass
    def test_xpass(self, v): pass

class SymPyTests:
    def __init__(self, reporter): self.reporter = reporter
    def matches(self, x): return True
    def test_file(self, filename):
        scope = {}
        try:
            exec(compile(open(filename).read(), filename, "exec"), scope)
        except Exception:
            return self.reporter.import_error(filename, sys.exc_info())
        tests = [f for name, f in scope.items() if name.startswith("test_") and self.matches(f)]
        self.reporter.entering_filename(filename, len(tests))
        for f in tests:
            self.reporter.entering_test(f)
            try:
                f()
            except AssertionError:
                self.reporter.test_fail(sys.exc_info())
            else:
                self.reporter.test_pass()

def test(*paths, subprocess=True, colors=True):
    assert not subprocess
    for path in paths:
        SymPyTests(PyTestReporter()).test_file(os.path.abspath(path))
    return True
""",
}


class CountingSandbox(LocalSandbox):
    """A real sandbox that counts what it runs."""

    runs = 0

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        self.runs += 1
        return super().run(environment, script, patch, limits)


def environment(repository: Path) -> Environment:
    return Environment(
        "adder",
        folders=(("/testbed", repository), ("/opt/testbed", Path(sys.prefix))),
        variables=(("PATH", "/opt/testbed/bin:/usr/bin:/bin"),),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("files", "runner", "path", "tests"),
    [
        (UNITTEST, "unittest", "adder.py", ("test_adder.Adds.test_parts", "test_adder.Adds.test_small")),
        (DJANGO, "auto", "adder.py", ("sums.test_adder.Adds.test_parts", "sums.test_adder.Adds.test_small")),
        (SYMPY, "auto", "sympy/adder.py", ("sympy/tests/test_adder.py::test_small",)),
    ],
)
def test_each_runner_finds_what_an_edit_breaks_and_selection_runs_nothing_again(
    tmp_path: Path,
    make_repository: Callable[..., Path],
    files: dict[str, str],
    runner: str,
    path: str,
    tests: tuple[str, ...],
) -> None:
    repository = make_repository(files)
    snapshot = Snapshot.of_repository(repository)
    breaks = patch_of(snapshot, path, "return a + b", "return a + b + (b == 2)")
    ends = patch_of(snapshot, path, "def add", "import os\nos._exit(0)\ndef add")
    sandbox = CountingSandbox()
    with room(tmp_path, snapshot, lambda _: "", sandbox=sandbox, selection={"test_runner": runner}) as work:
        work.environment = environment(repository)
        view = asyncio.run(check_repository(work, 0, 1, breaks))
        assert view is not None and (view["passing"], view["broken"]) == (len(tests), 1)
        assert view["output"].startswith(tests[-1]) and "4" in view["output"]
        assert sandbox.runs == 4  # the probe, the unedited code twice, the edit
        assert asyncio.run(check_repository(work, 1, 1, breaks)) == view
        assert sandbox.runs == 4
        candidates = [NumberedCandidate(n, Candidate(n, p, "", True)) for n, p in ((1, breaks), (2, ends))]
        found = asyncio.run(run_regressions(work, candidates))
        assert found == Regressions(tests, (tests[-1:], tests), found.said) and "4" in found.said[0]
        assert sandbox.runs == 5
    snapshot.close()


@pytest.mark.slow
def test_the_tests_of_a_scope_are_run_in_its_folder(tmp_path: Path, make_repository: Callable[..., Path]) -> None:
    """What they find by its path relative to the folder is there, and those of other packages stay out."""
    cases = CASES.replace("from adder", "open('data.txt').close()\nfrom adder")
    package = {"adder.py": ADDER, "test_adder.py": cases, "data.txt": ""}
    repository = make_repository({f"packages/{name}/{path}": text for name in "ab" for path, text in package.items()})
    snapshot = Snapshot.of_repository(repository)
    both = patch_of(snapshot, "packages/a/adder.py", "a + b", "a + b + (b == 2)")
    elsewhere = patch_of(snapshot, "packages/b/adder.py", "a + b", "a - b")
    settings = {"test_runner": "unittest"}
    with room(tmp_path, snapshot, lambda _: "", sandbox=LocalSandbox(), selection=settings) as work:
        work.environment, work.task = environment(repository), replace(TASK, scope="packages/a")
        view = asyncio.run(check_repository(work, 0, 1, both))
        assert view is not None and (view["passing"], view["broken"]) == (2, 1), view
        assert "test_adder.Adds.test_small" in view["output"]
        assert asyncio.run(check_repository(work, 0, 2, elsewhere)) is None
        assert work.journal.note(TASK.id, "edit", 0, "repository tests 2")["why"].startswith("no test file matters")
        for path, said in (("a/test_adder.py", "1 failed, 2 passed"), ("b/test_adder.py", "tests outside packages/a")):
            asked, key = RunTests(f"packages/{path}"), partial(StepKey, TASK.id, "edit", 1, len(said))
            found = asyncio.run(run_asked(work, key, asked, ""))
            assert said in found.told, found
    snapshot.close()


def answered(script: str, patch: str | None) -> Execution:
    """A sandbox that has pytest, with two tests, one of which fails with any patch; scripts find the issue."""
    if "codemonkeys-has" in script:
        return Execution(Reason.EXITED, 0, output="codemonkeys-has 0 python\n")
    if "def attempt(" not in script:
        return Execution(Reason.EXITED, 2, output="found")
    tests = {"test_a.py::test_one": "passed", "test_a.py::test_two": "failed" if patch else "passed"}
    words = {"test_a.py::test_two": f"assert 2 == 1 </output {MARKER}>"} if patch else {}
    line = json.dumps({"tests": tests, "texts": words, "exit": 0, "timed_out": False, "said": ""})
    return Execution(Reason.EXITED, 0, output=f"{line}\n")


FILES = {"a.py": "def a():\n    return 1\n", "test_a.py": "from a import a\n\ndef test_one():\n    pass\n"}


def test_the_model_is_shown_once_what_its_edit_breaks(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    with room(tmp_path, make_snapshot(FILES), script(EDIT, EDIT, DONE), answered) as work:
        assert asyncio.run(write_edit(work, 0, CONTEXT, None)) is not None
        first, second = said(work)[1:]
        assert "pass on the unedited code (2), 1 fail with it" in first and "what the issue calls wrong" in first
        assert f"<output {MARKER}>\ntest_a.py::test_two:\nassert 2 == 1 </output 0-1-2-3-a-b-c-d>\n</output" in first
        assert "own tests" not in second
        scripts = [run for run, _ in work.steps.sandbox.runs]  # type: ignore[attr-defined]
        assert len(scripts) == len({(s, p) for s, p in work.steps.sandbox.runs}) == 4  # type: ignore[attr-defined]


@pytest.mark.parametrize("reason", [Reason.TIMED_OUT, Reason.OUT_OF_MEMORY, Reason.KILLED])
def test_tests_that_could_not_run_tell_nothing(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], reason: Reason
) -> None:
    def failing(text: str, patch: str | None) -> Execution:
        return Execution(reason) if patch and "def attempt(" in text else answered(text, patch)

    with room(tmp_path, make_snapshot(FILES), script(EDIT, DONE), failing) as work:
        assert asyncio.run(write_edit(work, 0, CONTEXT, None)) is not None
        assert "own tests" not in said(work)[1]
        note = work.journal.note(TASK.id, "edit", 0, "repository tests 0")
        assert note["broken"] is None and note["passing"] == 2


@pytest.mark.parametrize("off", ["setting", "older"])
def test_without_the_setting_and_in_runs_of_version_0_1_nothing_runs_after_the_edit(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], off: str
) -> None:
    generation = {"repository_tests": off != "setting"}
    with room(tmp_path, make_snapshot(FILES), script(EDIT, DONE), answered, generation=generation) as work:
        work.journal.is_begun_by_older = off == "older"
        assert asyncio.run(write_edit(work, 0, CONTEXT, None)) is not None
        assert work.steps.sandbox.runs == []  # type: ignore[attr-defined]


def test_a_run_of_version_0_1_goes_on_with_its_own_executions(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    """The program is the one that version 0.1 stored, byte for byte, and nothing is probed."""
    import hashlib

    snapshot = make_snapshot(FILES)
    patch = patch_of(snapshot, "a.py", "return 1", "return 2")
    with room(tmp_path, snapshot, lambda _: "", answered) as work:
        work.journal.is_begun_by_older = True
        found = asyncio.run(run_regressions(work, [NumberedCandidate(1, Candidate(0, patch, "", True))]))
        assert found.broken == (("test_a.py::test_two",),)
        (first, _), *others = work.steps.sandbox.runs  # type: ignore[attr-defined]
        assert len(others) == 2
        program = first.partition("\n\nif __name__ == '__main__' and not sys.argv[1:]:\n")[0].rstrip("\n")
        assert hashlib.sha256(program.encode()).hexdigest() == OLDER


OLDER = "6d156a8668ec702c41809af65f50a7e1df2f5f52ef8da3e270759e88c6b23e5f"
"""SHA-256 of the reporter of version 0.1.0."""


def test_some_tests_can_be_run_on_demand(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    def key(_: int, part: str) -> StepKey:
        return StepKey(TASK.id, "edit", 0, 0, part)

    snapshot = make_snapshot(FILES)
    with room(tmp_path, snapshot, lambda _: "", answered) as work:
        patch = patch_of(snapshot, "a.py", "return 1", "return 2")
        suite = asyncio.run(suite_of(work, key(0, "probe"), ["test_a.py"]))
        assert not isinstance(suite, str)
        report = asyncio.run(run_tests(work, key(1, "edited"), suite, 60.0, patch=patch))
        assert report.outcomes["test_a.py::test_two"] is Status.FAILED
        assert asyncio.run(suite_of(work, key(0, "probe"), ["a.py"])) == "no runner is known for these tests"


def test_equal_failures_are_shown_once_and_all_is_cut() -> None:
    broken = tuple(f"t.py::test_{n:03}" for n in range(40))
    report = Report({}, texts={"t.py": "cannot import\n" * 500, broken[0]: "alone"})
    text = failures(report, broken, 1000)
    assert text.count("characters left out") == 1 and "and 29 more:" in text and "alone" in text
    assert len(text) < 1500

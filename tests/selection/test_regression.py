"""Regression tests in a real sandbox: what a candidate breaks is found, and no candidate can talk its way out."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from codemonkeys.engine.steps import Steps
from codemonkeys.generation.candidate import Candidate
from codemonkeys.journal import queries, run_files
from codemonkeys.repository_tests.base import read_report
from codemonkeys.repository_tests.pytest_runner import RUNNER
from codemonkeys.selection.older_regression import broken_by, read
from codemonkeys.selection.regression import Regressions, run_regressions
from codemonkeys.selection.votes import NumberedCandidate
from codemonkeys.tasks.environments import prepare
from codemonkeys.tasks.snapshot import Snapshot
from codemonkeys.tasks.sources import load_tasks
from sandboxes.base import Environment, Execution, Reason
from sandboxes.local import LocalSandbox
from tests.fakes import TASK
from tests.rooms import room

SOURCES = {
    "adder.py": "def add(a, b):\n    return a + b\n\n\ndef minus(a, b):\n    return a - b\n",
    "setup.cfg": "[tool:pytest]\naddopts = --no-such-option-here\n",
    "conftest.py": "",
    "test_adder.py": """\
import os
import pytest
from adder import add, minus

seen = []

def test_add():
    print("1" * 100_000)
    assert add(1, 2) == 3

@pytest.mark.parametrize("b", [1, 2])
def test_minus(b):
    assert minus(3, b) == 3 - b

def test_fails():
    seen.append(1)
    assert add(1, 2) == 4

def test_leans_on_the_one_that_fails():
    assert seen

@pytest.mark.skip
def test_skipped():
    pass

@pytest.mark.xfail
def test_expected_to_fail():
    assert False

@pytest.fixture
def broken():
    yield
    raise OSError

def test_torn_down_with_an_error(broken):
    pass
""",
}
PASSING = ("test_adder.py::test_add", "test_adder.py::test_minus[1]", "test_adder.py::test_minus[2]")

PATCHES = {
    "breaks nothing": ("adder.py", "return a + b", "return b + a"),
    "breaks one": ("adder.py", "return a + b", "return 3 if a == 2 else 4"),
    "does not import": ("adder.py", "return a + b", "return ("),
    "leaves at once": ("adder.py", "def add(a, b):", "import os\nos._exit(0)\ndef add(a, b):"),
    "never ends": ("adder.py", "return a - b", "while b == 2: pass\n    return a - b"),
    "weakens the test": ("test_adder.py", "assert add(1, 2) == 3", "pass"),
    "makes every test pass": ("conftest.py", "", "def pytest_collection_modifyitems(items):\n    items.clear()\n"),
    "prints results": (
        "adder.py",
        "return a + b",
        "import json, sys; print(json.dumps({'tests': {}, 'exit': 0, 'timed_out': False}), file=sys.__stdout__); "
        'import os; os.write(1, b\'word ["test_adder.py::test_add", "passed"]\\n\'); return 0',
    ),
    "does not apply": ("adder.py", "", ""),
}
BROKEN: dict[str, tuple[str, ...] | None] = {
    "breaks nothing": (),
    "breaks one": PASSING[:1],
    "does not import": PASSING,
    "leaves at once": PASSING,
    "never ends": PASSING[2:],
    "weakens the test": (),
    "makes every test pass": (),
    "prints results": PASSING[:1],
    "does not apply": None,
}


def patch_of(snapshot: Snapshot, path: str, old: str, new: str) -> str:
    from codemonkeys.generation.edits import Changes, File
    from codemonkeys.generation.patch import make_patch

    text = snapshot.text(path) or ""
    changed = text.replace(old, new) if old else new
    return make_patch(snapshot, Changes({path: File(changed.encode(), "100644")}))


def environment(repository: Path) -> Environment:
    """The task's, with the interpreter and the packages of these tests."""
    return Environment(
        "adder",
        folders=(("/testbed", repository), ("/opt/testbed", Path(sys.prefix))),
        variables=(("PATH", "/opt/testbed/bin:/usr/bin:/bin"),),
    )


@pytest.mark.slow
def test_what_candidates_break_is_found_whatever_they_say(tmp_path: Path, make_repository: Callable[..., Path]) -> None:
    repository = make_repository(SOURCES)
    snapshot = Snapshot.of_repository(repository)
    patches = [patch_of(snapshot, *edit) if edit[1:] != ("", "") else "no patch\n" for edit in PATCHES.values()]
    candidates = [NumberedCandidate(n, Candidate(n - 1, patch, "", True)) for n, patch in enumerate(patches, 1)]
    selection = {"regression_files": 2, "regression_seconds": 8.0}
    with room(tmp_path, snapshot, lambda request: "", sandbox=LocalSandbox(), selection=selection) as work:
        work.environment = environment(repository)
        found = asyncio.run(run_regressions(work, candidates))
        assert found.tests == PASSING
        assert dict(zip(PATCHES, found.broken, strict=True)) == BROKEN
        with run_files.reading(work.steps.journal.folder / "run.db") as connection:
            (note,) = queries.task_story(connection, TASK.id)["notes"]
        assert note["body"] == {
            "files": ["test_adder.py"],
            "passing": 3,
            "flaky": ["test_adder.py::test_leans_on_the_one_that_fails"],
            "runner": "pytest",
        }
        assert isinstance(work.steps, Steps)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.data
def test_wrong_candidates_of_a_real_task_break_what_the_right_ones_keep(
    tmp_path: Path, shared_home: Path, data_dir: Path
) -> None:
    """Real patches by real systems for pytest-10051; nobody told which of the repository's tests to run."""
    (task,) = load_tasks(str(data_dir / "task_repo"), ["pytest-dev__pytest-10051"])
    workspace = prepare(task, shared_home, "folders")
    assert task.folder is not None
    rows = [json.loads(line) for line in (task.folder / "candidates.jsonl").read_text().splitlines()]
    candidates = [NumberedCandidate(n, Candidate(n, row["model_patch"], "", True)) for n, row in enumerate(rows, 1)]
    few = {"regression_files": 5}
    with room(tmp_path, workspace.snapshot, lambda request: "", sandbox=LocalSandbox(), selection=few) as work:
        work.environment = workspace.environment
        found = asyncio.run(run_regressions(work, candidates))
    assert len(found.tests) > 50
    for broken, row in zip(found.broken, rows, strict=True):
        assert broken == (
            () if row["resolved"] else ("testing/logging/test_fixture.py::test_caplog_captures_for_all_stages",)
        )


@pytest.mark.parametrize(
    ("language", "files_run", "why"),
    [("go", 3, "no runner is known for the tests of a go repository"), ("python", 3, "no test file matters")],
)
def test_without_a_runner_or_a_test_that_is_noted(
    tmp_path: Path, make_snapshot: Callable[..., Snapshot], language: str, files_run: int, why: str
) -> None:
    from dataclasses import replace

    patch = "diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"
    snapshot = make_snapshot({"a.py": "x = 1\n"})
    with room(tmp_path, snapshot, lambda request: "", selection={"regression_files": files_run}) as work:
        work.task = replace(work.task, language=language)
        assert (
            asyncio.run(run_regressions(work, [NumberedCandidate(1, Candidate(0, patch, "", True))])) == Regressions()
        )
        assert work.steps.sandbox.runs == []  # type: ignore[attr-defined]
        with run_files.reading(work.steps.journal.folder / "run.db") as connection:
            (note,) = queries.task_story(connection, TASK.id)["notes"]
        assert why in note["body"]["why"]


def told(tests: dict[str, str], end: object = 0, timed_out: bool = False) -> Execution:
    line = json.dumps({"tests": tests, "texts": {}, "exit": end, "timed_out": timed_out, "said": ""})
    return Execution(Reason.EXITED, 0, output=f"noise\n{line}\n")


@pytest.mark.parametrize(
    ("execution", "broken"),
    [
        (told({"a": "passed", "b": "passed"}), ()),
        (told({"a": "passed", "b": "error"}), ("b",)),
        (told({"a": "passed"}), ("b",)),
        (told({"a": "running"}, None, timed_out=True), ("a",)),
        (told({}, "no pytest"), None),
        (Execution(Reason.EXITED, 0, output=""), None),
        (Execution(Reason.EXITED, 0, output='["tests"]\n'), None),
        (Execution(Reason.TIMED_OUT), None),
        (Execution(Reason.PATCH_FAILED, output="{}"), None),
    ],
)
def test_what_the_reporter_told_is_read(execution: Execution, broken: tuple[str, ...] | None) -> None:
    assert broken_by(execution, ["a", "b"]) == broken
    assert bool(read(execution).why) == (broken is None)
    if '"no pytest"' not in execution.output:  # asked by the probe since, before any test runs
        report = read_report(RUNNER, execution)
        assert report.broken(["a", "b"]) == broken
        assert bool(report.why) == (broken is None)

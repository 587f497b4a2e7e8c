"""Whose runner a repository's tests have: by its files, then by what the environment has."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from codemonkeys.errors import BadSettings
from codemonkeys.repository_tests.pytest_runner import PytestRunner
from codemonkeys.repository_tests.runners import RUNNERS, claiming, probe_script, read_probe
from codemonkeys.repository_tests.virtual_environment import has_pytest, missing_pytest
from codemonkeys.selection.deciding import check_rules
from codemonkeys.settings import SelectionSettings
from codemonkeys.tasks.base import Checkout
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason

T = "def test_it():\n    pass\n"
PYTHON = ["pytest", "unittest"]


@pytest.mark.parametrize(
    ("files", "names", "tests"),
    [
        ({"a.py": "", "test_a.py": T}, PYTHON, ["test_a.py"]),
        (
            {"django/__init__.py": "", "tests/runtests.py": "", "tests/a/tests.py": T, "django/test_a.py": T},
            ["django", *PYTHON],
            ["tests/a/tests.py"],
        ),
        ({"sympy/__init__.py": "", "bin/test": "", "sympy/a/tests/test_a.py": T}, ["sympy", *PYTHON], None),
        ({"go.mod": "module a\n", "a/a.go": "", "a/a_test.go": ""}, ["go"], ["a/a_test.go"]),
        (
            {"Cargo.toml": "", "src/lib.rs": "#[test]\nfn a() {}\n", "src/b.rs": "", "tests/c.rs": "#[tokio::test]"},
            ["cargo"],
            ["src/lib.rs", "tests/c.rs"],
        ),
        ({"package.json": '{"devDependencies": {"jest": "1"}}', "a.test.ts": "", "a.ts": ""}, ["jest"], ["a.test.ts"]),
        ({"package.json": '{"scripts": {"test": "node --test"}}', "test/a.mjs": ""}, ["node"], ["test/a.mjs"]),
        (
            {
                "pom.xml": "",
                "src/test/java/a/ATest.java": "",
                "src/test/java/a/Help.java": "",
                "src/main/java/T.java": "",
            },
            ["maven"],
            ["src/test/java/a/ATest.java"],
        ),
        ({"build.gradle.kts": "", "m/src/test/kotlin/TestA.kt": ""}, ["gradle"], ["m/src/test/kotlin/TestA.kt"]),
        ({"README.md": "", "package.json": "{}"}, [], None),
    ],
)
def test_a_repository_is_claimed_by_its_files(
    make_snapshot: Callable[..., Snapshot], files: dict[str, str], names: list[str], tests: list[str] | None
) -> None:
    snapshot = make_snapshot(files)
    runners = claiming(snapshot)
    assert [runner.name for runner in runners] == names
    if tests is not None:
        assert runners[0].tests(snapshot) == tests


def test_the_probe_tells_the_tool_of_each_runner(tmp_path: Path) -> None:
    import subprocess

    class Fake(PytestRunner):
        def __init__(self, name: str, probe: str) -> None:
            self.name, self.probe = name, probe

    runners = [
        Fake("a", "echo said; echo 'tool of a'"),
        Fake("b", "echo b; exit 1"),
        Fake("c", "echo >&2 no"),
        Fake("d", "echo d"),
    ]
    script = probe_script(runners)
    done = subprocess.run(
        [*script.command, "-c", script.text], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert read_probe(runners, Execution(Reason.EXITED, 0, output=done.stdout)) == {"a": "tool of a", "d": "d"}
    assert read_probe(runners, Execution(Reason.TIMED_OUT, output=done.stdout)) == {}


def test_a_runner_can_be_named_and_plugged_in(make_snapshot: Callable[..., Snapshot]) -> None:
    snapshot = make_snapshot({"a.py": ""})
    mine = "codemonkeys.repository_tests.pytest_runner:RUNNER"
    assert [runner.name for runner in claiming(snapshot, mine)] == ["pytest"]
    check_rules(SelectionSettings(test_runner=mine))
    for name in ("nose", "codemonkeys.wording:option"):
        with pytest.raises(BadSettings, match="test runner"):
            check_rules(SelectionSettings(test_runner=name))
    assert "pytest" in RUNNERS.names()


def test_a_virtual_environment_without_pytest_is_noticed_by_its_files(
    tmp_path: Path, make_repository: Callable[..., Path]
) -> None:
    repository, bare = make_repository({"a.py": "", "test_a.py": T}), make_repository({"a.py": ""}, "bare")
    venv = tmp_path / "venv"
    venv.mkdir()
    (venv / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    missing = missing_pytest(Checkout(repository, venv=venv), "HEAD", "auto")
    assert missing and f"{venv}/bin/python -m pip install pytest" in missing
    assert missing_pytest(Checkout(bare, venv=venv), "HEAD", "auto") is None
    assert missing_pytest(Checkout(repository), "HEAD", "auto") is None
    (venv / "lib" / "python3.9" / "site-packages" / "pytest").mkdir(parents=True)
    assert has_pytest(venv) and missing_pytest(Checkout(repository, venv=venv), "HEAD", "auto") is None

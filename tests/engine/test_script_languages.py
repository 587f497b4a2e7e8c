"""Test scripts in the language of the repository: tried on this machine, and from issue to patch in the sandbox."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codemonkeys.context.environment import describe_environment
from codemonkeys.context.own_language import TRIAL, choose_script
from codemonkeys.engine.script_languages import LAUNCHERS, Launcher, launchers_of, trial_script, working
from codemonkeys.engine.scripts import ISSUE_FIXED, ISSUE_PRESENT, script_kind
from codemonkeys.engine.steps import Steps
from codemonkeys.engine.work import Work
from codemonkeys.journal import run_files
from codemonkeys.journal.store import Journal
from codemonkeys.models.base import Request
from codemonkeys.models.fake_answers import answer, marker
from codemonkeys.models.roles import ModelSet
from codemonkeys.runs.runner import run_tasks
from codemonkeys.settings import load_settings
from codemonkeys.stages import ENVIRONMENT
from codemonkeys.tasks.environments import prepare
from codemonkeys.tasks.own_issue import RuntimeChoice, describe
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes import local
from sandboxes.base import Execution, Reason
from sandboxes.local import LocalSandbox
from tests.fakes import TASK, AnsweringModel, AnsweringSandbox
from tests.repositories import make_repository
from tests.rooms import room

NEEDS = {"javascript": "node", "typescript": "node", "c": "cc", "cpp": "c++", "ruby": "ruby", "php": "php"}
SLOW_NEEDS = {"go": "go", "java": "javac", "rust": "cargo"}
HERE = [
    *(name for name, program in NEEDS.items() if shutil.which(program)),
    *(pytest.param(name, marks=pytest.mark.slow) for name, program in SLOW_NEEDS.items() if shutil.which(program)),
]
"""Languages whose programs this machine has: all take gigabytes, and `.ci/run` installs the small ones."""
CARGO = '[package]\nname = "ring"\nversion = "0.1.0"\nedition = "2021"\n'
FILES = {
    "javascript": {"ring.js": "module.exports = 2\n"},
    "typescript": {"ring.js": "module.exports = 2\n"},
    "c": {"ring.c": "int ring(void) { return 2; }\n", "include/ring.h": "int ring(void);\n"},
    "cpp": {"src/ring.hpp": "inline int ring() { return 2; }\n"},
    "ruby": {"lib/ring.rb": "RING = 2\n"},
    "php": {"ring.php": "<?php return 2;\n"},
    "go": {"go.mod": "module example.com/ring\n\ngo 1.19\n", "internal/bell/bell.go": "package bell\n\nvar Ring = 2\n"},
    "rust": {"Cargo.toml": CARGO, "src/lib.rs": "pub fn ring() -> i32 { 2 }\n"},
    "java": {"src/main/java/a/Ring.java": "package a;\npublic class Ring { public static int ring() { return 2; } }\n"},
}
"""A repository whose code says 2."""
USING = {
    "JavaScript": "process.exit(require('./ring'))\n",
    "TypeScript": "import ring from './ring'\nprocess.exit(ring)\n",
    "C": '// flags: ring.c\n#include "ring.h"\nint main(void) { return ring(); }\n',
    "C++": '#include "ring.hpp"\nint main() { return ring(); }\n',
    "Ruby": "require 'ring'\nexit RING\n",
    "PHP": "<?php\nexit(require __DIR__ . '/ring.php');\n",
    "Go": """\
package main

import (
\t"os"

\t"example.com/ring/internal/bell"
)

func main() { os.Exit(bell.Ring) }
""",
    "Rust": "fn main() { std::process::exit(ring::ring()) }\n",
    "Java": "public class IssueTest {\n  public static void main(String[] none) { System.exit(a.Ring.ring()); }\n}\n",
}
"""Scripts that end with what the code says."""
BROKEN = {
    "Go": 'package main\n\nfunc main() { var none map[string]int; none["a"] = 1 }\n',
    "Rust": 'fn main() { panic!("no") }\n',
}
"""Scripts that crash; others do not even parse."""


def ends_with(launcher: Launcher, text: str, repository: Path, script: Path) -> int:
    script.write_text(text)
    return subprocess.run([*launcher.kind.launch, str(script)], cwd=repository, capture_output=True).returncode


@pytest.mark.parametrize("language", HERE)
def test_what_is_found_to_run_uses_the_code_of_the_repository(language: str, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "testbed", {path: t.encode() for path, t in FILES[language].items()})
    launchers = launchers_of(language)
    done = subprocess.run(
        ["bash", "-c", trial_script(launchers, 60)], cwd=repository, capture_output=True, text=True, check=True
    )
    kind = working(launchers, done.stdout)
    assert kind is not None, done.stderr
    (launcher,) = (each for each in launchers if each.kind is kind)
    assert ends_with(launcher, USING[kind.language], repository, tmp_path / kind.name) == 2
    broken = BROKEN.get(kind.language, "<?php (" if language == "php" else "( no program\n")
    assert ends_with(launcher, broken, repository, tmp_path / kind.name) not in (0, 2), "it could not tell"


@pytest.mark.parametrize("language", [*LAUNCHERS])
def test_a_machine_without_the_programs_finds_none(language: str, tmp_path: Path) -> None:
    for name in ("bash", "timeout", "mktemp", "mkdir", "cp", "rm", "find", "paste", "sort", "head"):
        (tmp_path / name).symlink_to(shutil.which(name) or "/bin/false")
    done = subprocess.run(
        ["bash", "-c", trial_script(launchers_of(language), 9)],
        cwd=tmp_path,
        env={"PATH": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert working(launchers_of(language), done.stdout) is None


def test_the_page_names_every_way() -> None:
    page = (Path(__file__).parents[2] / "docs" / "languages.md").read_text()
    for kind in {launcher.kind for launchers in LAUNCHERS.values() for launcher in launchers}:
        assert f"| {kind.language} |" in page and kind.runner[0] in page


@given(st.text(max_size=80), st.sampled_from(sorted(LAUNCHERS)))
def test_whatever_a_trial_prints_is_read(output: str, language: str) -> None:
    launchers = launchers_of(language)
    for printed in (output, f"runs {output}", f"{output}\nruns {len(launchers)}"):
        assert working(launchers, printed) in (None, *(launcher.kind for launcher in launchers))
    assert working(launchers, f"{output}\nruns 0\n") is launchers[0].kind


def chosen(work: Work) -> Work:
    work.own_script = asyncio.run(choose_script(work))
    return work


def test_it_is_tried_once_and_told_to_models(tmp_path: Path, make_snapshot: Callable[..., Snapshot]) -> None:
    sandbox = AnsweringSandbox(lambda script, patch: Execution(Reason.EXITED, 0, None, "noise\nruns 0\n"))
    with room(tmp_path, make_snapshot({}), lambda request: "", sandbox=sandbox, model="fake") as work:
        assert chosen(work).own_script is None and not sandbox.runs, "Python needs no trial"
        work = replace(work, task=replace(TASK, language="Go"))
        for _ in range(2):
            assert chosen(work).script is launchers_of("go")[0].kind and len(sandbox.runs) == 1
        said = work.prompts("test.system", script=work.script, seconds="9", files=[], nearest=None)
        assert "a standalone Go program. It is run as `go run issue_check.go`" in said and "`package main`" in said
        nothing = replace(work, task=replace(TASK, language="cobol"))
        assert chosen(nothing).script == script_kind(nothing.task)
        assert work.journal.executions.stored(work.key(ENVIRONMENT, 0, 0, TRIAL)) is not None


@pytest.mark.parametrize("older", [False, True])
def test_a_task_that_a_version_without_trials_began_keeps_bash(
    older: bool, tmp_path: Path, make_snapshot: Callable[..., Snapshot]
) -> None:
    sandbox = AnsweringSandbox(lambda script, patch: Execution(Reason.EXITED, 0, None, "runs 0\n"))
    with room(tmp_path, make_snapshot({}), lambda request: "", sandbox=sandbox, model="fake") as work:
        work = replace(work, task=replace(TASK, language="ruby"))
        if older:
            work.journal.is_begun_by_older = True
        else:
            asyncio.run(describe_environment(work))
        assert chosen(work).script.language == "Bash" and len(sandbox.runs) == (0 if older else 1)


def answers(test: str, path: str, old: str, new: str) -> Callable[[Request], str]:
    """The fake model, with a script and an edit that mean something."""

    def answered(request: Request) -> str:
        system = request.messages[0].content
        if request.key.turn == 0 and request.key.stage == "test":
            assert "It lies in that folder while it runs" in system or "// flags:" in system
            return f"<<<<<<< TEST {marker(system)}\n{test}>>>>>>> END {marker(system)}"
        if request.key.turn == 0 and request.key.stage == "edit":
            code = marker(system)
            return f"<<<<<<< SEARCH {code} {path}\n{old}\n======= {code}\n{new}\n>>>>>>> END {code}"
        return answer(request)

    return answered


_JS_TEST = """\
const ring = require("./ring")
console.log("it says", ring("x"))
process.exit(ring("x") === "ding x" ? 0 : 2)
"""
_C_TEST = """\
// flags: ring.c
#include <stdio.h>
int ring(void);
int main(void) {
    printf("it says %d\\n", ring());
    return ring() == 2 ? 0 : 2;
}
"""


@pytest.mark.skipif(local.unavailable() is not None, reason="needs namespaces")
@pytest.mark.skipif(not (shutil.which("node") and shutil.which("cc")), reason="needs Node.js and a C compiler")
@pytest.mark.parametrize(
    ("path", "text", "old", "new", "test"),
    [
        ("ring.js", 'module.exports = (word) => "dong " + word\n', '"dong "', '"ding "', _JS_TEST),
        ("ring.c", "int ring(void) { return 1; }\n", "return 1;", "return 2;", _C_TEST),
    ],
    ids=["javascript", "c"],
)
def test_from_an_issue_to_a_patch_in_the_local_sandbox(
    path: str, text: str, old: str, new: str, test: str, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "project", {path: text.encode()})
    task = describe(repository, "It has to ring.", "HEAD", RuntimeChoice(kind="folders"))
    settings = load_settings(model="fake", generation={"samples": 1})
    model = AnsweringModel(answers(test, path, text.strip(), text.strip().replace(old, new)))
    home = tmp_path / "home"
    with closing(LocalSandbox()) as sandbox, closing(Journal(tmp_path, "run", "source", {})) as journal:
        journal.add_tasks([task])
        steps = Steps(journal, ModelSet(model, model), sandbox, settings.operation)
        (ended,) = asyncio.run(run_tasks([task], settings, steps, lambda each: prepare(each, home, "folders")))
        steps.close()
        assert ended.state == "predicted", ended
        assert not journal.executions.could_not_tell(task.id)
        with run_files.reading(tmp_path / "run" / "run.db") as connection:
            query = "SELECT part, exit_code FROM execution_steps WHERE stage = 'edit' AND state = 'done'"
            found = dict(map(tuple, connection.execute(query)))
        assert found["edited"] == ISSUE_FIXED and found.get("original", ISSUE_PRESENT) == ISSUE_PRESENT

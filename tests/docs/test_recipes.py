"""The recipes of CONTRIBUTING.md, carried out as they are written there, each in a fresh clone: one file changes."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.command import environment
from tests.docs.pages import ROOT, blocks, section
from tests.models.endpoint import serve
from tests.recorded import dry_run
from tests.tiny_task import make_task_repository

PAGE = (ROOT / "CONTRIBUTING.md").read_text()
pytestmark = [pytest.mark.slow, pytest.mark.long]


class Clone:
    """A fresh clone, in which a stranger works."""

    def __init__(self, folder: Path, home: Path) -> None:
        """What git tracks here, as it is in this working tree, and beside it the task on which changes are tried."""
        self.folder = folder
        tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        for name in tracked.rstrip("\0").split("\0"):
            if (ROOT / name).is_file() and not name.startswith(("tests/", "benchmarks/")):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(ROOT / name, folder / name)
        make_task_repository(folder / "tasks")
        # As after an installation in place: the command is on the path, and its code is that of the clone.
        programs = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
        self._variables = environment(home, PATH=programs, PYTHONPATH=str(folder))
        self._variables |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
        identity = ["-c", "user.name=Base", "-c", "user.email=base@localhost"]
        for command in (["init", "-q"], ["add", "-A", "-f"], [*identity, "commit", "-q", "-m", "base"]):
            self.run("git", *command)

    def run(self, *command: str) -> str:
        """What a command prints on both outputs; it must end well."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout

    @property
    def changed(self) -> list[str]:
        """Files that differ from the clone as it was, runs left aside."""
        status = self.run("git", "status", "--porcelain", "--untracked-files=all")
        return [line[3:] for line in status.splitlines() if not line[3:].startswith("runs/")]

    def carry_out(self, recipe: str) -> str:
        """Save the file of a recipe, if it has one, and run its commands; returns what they print."""
        text = section(PAGE, f"### {recipe}")
        for program in blocks(text, "python"):
            (name,) = re.findall(r"[Ss]ave this as\s+`([\w.]+)`", text)
            (self.folder / name).write_text(program)
        return "".join(self.run("bash", "-euo", "pipefail", "-c", commands) for commands in blocks(text, "bash"))

    def query(self, query: str) -> list[tuple[object, ...]]:
        """What the journal of the run `mine` answers."""
        connection = sqlite3.connect(self.folder / "runs" / "mine" / "run.db")
        try:
            return connection.execute(query).fetchall()
        finally:
            connection.close()


@pytest.fixture
def clone(tmp_path: Path, shared_home: Path) -> Clone:
    return Clone(tmp_path, shared_home)


def test_a_task_to_try_them_on(clone: Clone) -> None:
    shutil.rmtree(clone.folder / "tasks")
    clone.carry_out("A task to try them on")
    assert "1 of 1 tasks have a prediction" in clone.run("codemonkeys", "solve", "tasks", "-m", "fake", "--run", "mine")
    assert clone.query("SELECT count(*) FROM tasks") == [(1,)]


def test_a_selection_rule(clone: Clone) -> None:
    assert "touches the fewest files" in clone.carry_out("A selection rule")
    assert clone.changed == ["fewest_files.py"]


def test_a_sandbox(clone: Clone) -> None:
    assert "issue_test.py: exited after" in clone.carry_out("A sandbox")
    assert clone.changed == ["watched.py"]


def test_a_model(clone: Clone) -> None:
    clone.carry_out("A model")
    assert clone.changed == ["parrot.py"]
    ((spent,),) = clone.query("SELECT sum(cost_usd) FROM spend_by_stage")
    assert isinstance(spent, float) and 0 < spent < 5


def test_a_task_source(clone: Clone) -> None:
    assert "greeting" in clone.carry_out("A task source")
    assert clone.changed == ["codemonkeys/tasks/sources/markdown.py", "issues/greeting.md"]


@pytest.mark.xdist_group("demo")
def test_a_prompt(clone: Clone) -> None:
    said = clone.carry_out("A prompt")
    assert ": edit.system (12 times) differ from" in said and ": resolved." in said
    assert clone.changed == ["mine/edit.system.jinja"]


def test_a_provider_parameter(clone: Clone) -> None:
    (lines,) = blocks(section(PAGE, "### A provider parameter"), "python")
    module = clone.folder / "codemonkeys" / "models" / "providers.py"
    text = module.read_text()
    assert text.count("    return found\n") == 1
    module.write_text(text.replace("    return found\n", f"{lines}    return found\n"))
    assert clone.changed == ["codemonkeys/models/providers.py"]
    with serve(dry_run) as endpoint:
        model = ("-m", "openrouter/test", "--api-base", endpoint.url)
        own = ("-c", "models.openrouter/test.extra_body={route: x}")
        clone.run("codemonkeys", "solve", "tasks", *model, *own, "-c", "generation.samples=1", "--run", "mine")
    assert endpoint.requests
    for seen in endpoint.requests:
        assert (seen.body["provider"], seen.body["route"]) == ({"data_collection": "deny"}, "x")

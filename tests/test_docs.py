"""The page that describes a run's files is checked against a real one."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from codemonkeys.cli.exits import Exit
from codemonkeys.journal.store import Journal
from tests.cli.command import codemonkeys

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "files.md").read_text()
README = (ROOT / "README.md").read_text()


def test_page_describes_every_table_view_and_column(tmp_path: Path) -> None:
    Journal(tmp_path, "run", "source", {}).close()
    connection = sqlite3.connect(tmp_path / "run" / "run.db")
    names = [r[0] for r in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
    sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S))
    assert sorted(sections) == sorted(names)
    for name in names:
        if name != "_sqlite_migrations":
            columns = {row[1] for row in connection.execute(f"PRAGMA table_info({name})")}
            described = set(re.findall(r"`(\w+)`", sections[name]))
            assert columns <= described, f"{name}: {columns - described} not described"
    connection.close()


@pytest.mark.slow
def test_readme_names_commands_options_and_files_that_exist(tmp_path: Path) -> None:
    commands = set(re.findall(r"^codemonkeys (\w+)", README, re.M))
    help_of = {command: codemonkeys(command, "--help", home=tmp_path, cwd=tmp_path).out for command in commands}
    assert {"doctor", "solve", "show", "export", "evaluate"} <= help_of.keys()
    called = re.sub(r"\\\n\s*", "", README)
    for command, arguments in re.findall(r"^codemonkeys (\w+)([^#\n]*)", called, re.M):
        for option in re.findall(r"(?<= )--?[a-z-]+", arguments):
            assert option in help_of[command], (command, option)
    for path in re.findall(r"`((?:codemonkeys|sandboxes|prompts|docs|benchmarks)/[\w./]*)`", README):
        assert (ROOT / path).exists(), path


def test_help_lists_every_command_in_whole_sentences(tmp_path: Path) -> None:
    for group in ([], ["images"]):
        listed = codemonkeys(*group, "--help", home=tmp_path, cwd=tmp_path).out.partition("Commands:")[2]
        assert listed.count("\n") >= 3 and "..." not in listed, listed


@pytest.mark.slow
def test_the_backend_of_the_page_passes_the_suite(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "sandboxes.md").read_text()
    (program,) = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    (command,) = re.findall(r"^    python -m (sandboxes\.conformance .*)$", page, re.M)
    (tmp_path / "mine.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "-m", *command.split(), "-k", "exit"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "3 of 3 checks hold" in done.stdout, done.stdout + done.stderr


def test_readme_lists_every_exit_code() -> None:
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.M)} == set(Exit)

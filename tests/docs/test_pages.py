"""What the pages name is there: commands and options, settings, files, tables, messages, rooms."""

from __future__ import annotations

import ast
import os
import re
import shlex
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel

from codemonkeys.cli.app import app
from codemonkeys.cli.choices import kinds
from codemonkeys.compute import policies
from codemonkeys.journal.store import Journal
from codemonkeys.models import MODELS
from codemonkeys.registry import Registry
from codemonkeys.repository_tests.runners import RUNNERS
from codemonkeys.selection import plugged_rules
from codemonkeys.settings import Settings
from codemonkeys.stages import STAGES
from codemonkeys.tasks.backends import BACKENDS
from codemonkeys.tasks.sources import task_sources
from tests.docs.pages import PAGES, ROOT, code, section
from tests.test_architecture import LAYERS

COMMANDS = typer.main.get_command(app)
PLACEHOLDER = "…"
FOLDERS = r"codemonkeys|sandboxes|prompts|docs|tests|examples|benchmarks|findings|\.ci"


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """The database of an empty run."""
    folder = tmp_path_factory.mktemp("journal")
    Journal(folder, "run", "source", {}).close()
    connection = sqlite3.connect(folder / "run" / "run.db")
    yield connection
    connection.close()


def called(text: str) -> Iterator[tuple[Any, list[str]]]:
    """Calls of the command line in a piece of code: the command, and its words."""
    for line in text.replace("\\\n", " ").splitlines():
        line = line.strip()
        if re.match(r"(\$ )?codemonkeys [a-z]", line):
            words = shlex.split(line.removeprefix("$ "), comments=True)[1:]
            command: Any = COMMANDS
            while hasattr(command, "commands") and words and not words[0].startswith("-"):
                assert words[0] in command.commands, line
                command = command.commands[words.pop(0)]
            yield command, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path) -> None:
    for text in code(page.read_text()):
        for command, words in called(text):
            known = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
            for word in words:
                if re.match(r"--?[a-z]", word):
                    assert word.partition("=")[0] in known | {"--help"}, (command.name, word)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_exist(page: Path) -> None:
    sections = {
        name: set(field.annotation.model_fields)
        for name, field in Settings.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    }
    for text in code(page.read_text()):
        for name, setting in re.findall(rf"(?<![\w./])({'|'.join(sections)})\.([a-z_]+)\b(?!\.?[a-z/(])", text):
            assert setting in sections[name] | {"py"}, f"{name}.{setting}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_files_exist(page: Path) -> None:
    for text in code(page.read_text()):
        for path in re.findall(rf"^(?:{FOLDERS})/(?:[\w/-]+\.\w+|[\w/]*/)?$", text):
            assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_queries_are_valid(page: Path, journal: sqlite3.Connection) -> None:
    for text in code(page.read_text()):
        for quote, query in re.findall(r"""sqlite3 \S+ (['"])(.*?)\1""", text):
            if not query.startswith("."):
                journal.execute(query)
            assert quote


def test_glossary_names_tables_columns_and_stages_that_exist(journal: sqlite3.Connection) -> None:
    page = (ROOT / "docs" / "glossary.md").read_text()
    names = [row[0] for row in journal.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")]
    columns = {name: {row[1] for row in journal.execute(f"PRAGMA table_info({name})")} for name in names}
    for table, column in re.findall(r"`(\w+)\.(\w+)`", page):
        if table in columns and column != "db":
            assert column in columns[table], f"{table}.{column}"
    for noun, listed in re.findall(r"\b(tables?|views?|columns?)\s+((?:`\w+`(?:,\s+|\s+and\s+)?)+)", page):
        known = set(columns) if noun.startswith(("table", "view")) else set().union(*columns.values())
        assert set(re.findall(r"\w+(?=`)", listed)) <= known, listed
    _, _, definition = page.partition("**Stage**\n")
    assert set(re.findall(r"`(\w+)`", definition.partition("(column")[0])) == set(STAGES)


def test_findings_are_listed_and_can_be_run() -> None:
    page = (ROOT / "findings" / "README.md").read_text()
    scripts = sorted((ROOT / "findings").glob("*.sh"))
    assert re.findall(r"^\| `(.+?\.sh)` \|", page, re.M) == [script.name for script in scripts]
    assert all(os.access(script, os.X_OK) for script in scripts)


def test_architecture_lists_every_room() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rooms = [name for row in re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", page, re.M) for name in re.findall(r"\w+", row)]
    assert sorted(rooms) == sorted(set().union(*LAYERS) - {"__init__", "__main__"})


def test_architecture_names_the_entry_points_of_all_that_is_open() -> None:
    registries: list[Registry[Any]] = [
        policies.PLUGGED,
        plugged_rules.PLUGGED,
        MODELS,
        BACKENDS,
        RUNNERS,
        task_sources(),
    ]
    assert len(registries) == len(kinds())
    table = section((ROOT / "docs" / "architecture.md").read_text(), "## What is open")
    rows = dict(re.findall(r"^\| ([a-z ]+) \| .* \| `(codemonkeys\.[a-z_]+)` \| .* \|$", table, re.M))
    assert rows == {registry.kind: registry.group for registry in registries}


def texts_of_the_code() -> str:
    """Every string of the packages, with an ellipsis for what is filled in."""
    found = []
    for path in [*(ROOT / "codemonkeys").rglob("*.py"), *(ROOT / "sandboxes").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.JoinedStr):
                found.append(
                    "".join(str(part.value) if isinstance(part, ast.Constant) else PLACEHOLDER for part in node.values)
                )
    return "\n".join(found)


@pytest.mark.slow
def test_messages_of_troubleshooting_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text()
    messages = re.findall(r"^### `(.+)`$", page, re.M)
    texts = texts_of_the_code()
    assert len(messages) > 30
    assert [message for message in messages if message not in texts] == []

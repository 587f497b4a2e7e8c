"""Messages name what a user gives in the user's own terms: options on the command line, parameters in Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import codemonkeys
from codemonkeys import wording
from codemonkeys.models.failures import advice

PACKAGE = Path(codemonkeys.__file__).parent
ONLY_COMMANDS = (
    "cli",
    "embedding",
    "mining",
    "tasks/branches.py",
    "tasks/installing",
    "tasks/recipes.py",
    "wording.py",
)
"""What nothing but a command reaches, which may name options, and where both names stand."""
OPTION = re.compile(r"(?<!\w)--(?:accept-changes|api-base|budget|effort|image|model|run|sandbox|venv)\b")


def messages(file: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of each text in a module, but for docstrings and whole commands."""
    tree = ast.parse(file.read_text())
    said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            if "codemonkeys " not in node.value:
                yield node.lineno, node.value


def test_no_message_that_a_program_may_get_names_an_option() -> None:
    named = [
        f"{file.relative_to(PACKAGE)}:{line}: {text}"
        for file in sorted(PACKAGE.rglob("*.py"))
        if not str(file.relative_to(PACKAGE)).startswith(ONLY_COMMANDS)
        for line, text in messages(file)
        if OPTION.search(text)
    ]
    assert named == []


def test_each_names_what_its_reader_can_give(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "operation.api_base" in advice(404, "") and "--" not in advice(404, "")
    assert wording.option("sandbox_of_grading", "docker") == "sandbox=docker"
    monkeypatch.setattr(wording, "COMMAND_LINE", True)
    assert "--api-base" in advice(404, "")
    assert wording.option("sandbox_of_grading", "docker") == "--sandbox docker"

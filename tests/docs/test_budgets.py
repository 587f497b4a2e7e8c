"""What the budgets of the examples buy: at least what the example asks for, by our own estimate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from codemonkeys.cli.planning import planned_models
from codemonkeys.planning.plan import make_plan
from codemonkeys.settings import load_settings
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.filtering import parse_slice
from tests.docs.pages import PAGES, code
from tests.docs.test_pages import COMMANDS, called

VERIFIED = 500
"""Tasks of SWE-bench Verified."""
OF_KNOWN_SIZE = ("greeting", "tasks", "mined")
"""Repositories and tasks that a page makes itself: it shows, or says, what they cost."""
ALL: Any = COMMANDS
HELP = "\n".join(command.help.replace("Example: ", "\n") for command in ALL.commands.values())


def examples(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Commands with a budget and a model: the line, and its parameters."""
    found = []
    for command, words in called(text):
        if "--budget" in words and command.name in ("solve", "fix") and "..." not in words:
            words = words[: words.index(">")] if ">" in words else words
            found.append((" ".join(words), command.make_context(command.name, words).params))
    return found


def tasks_of(parameters: dict[str, Any]) -> int:
    """How many tasks an example solves."""
    if "dataset" not in parameters:
        return 1
    return len(parameters["instance"] or range(VERIFIED)[parse_slice(parameters["slice"])])


@pytest.mark.parametrize("page", [*PAGES, None], ids=lambda page: page.name if page else "help")
@pytest.mark.slow
def test_a_budget_of_an_example_pays_for_it(page: Path | None, tmp_path: Path) -> None:
    """Repositories are taken to be as large as the paper's on average."""
    texts = [HELP] if page is None else code(page.read_text())
    for line, given in [example for text in texts for example in examples(text)]:
        if str(given.get("dataset") or given["repository"]) in OF_KNOWN_SIZE:
            continue
        names = {"model": given["model"], "scan_model": given["scan_model"]}
        settings = load_settings(given["config"] or [], given["profile"], **names)
        task = Task("a__b-1", "a/b", "0" * 40, "It fails when the name is empty. " * 20)
        plan = make_plan([task], settings, planned_models(settings), tmp_path)
        assert plan.total.expected_usd is not None
        cost = plan.total.expected_usd * tasks_of(given)
        assert cost <= given["budget"], f"{line}: {cost:.2f} USD expected"


def test_the_examples_are_found() -> None:
    readme = next(page for page in PAGES if page.name == "README.md")
    found = [example for text in code(readme.read_text()) for example in examples(text)]
    assert [tasks_of(given) for _, given in found] == [50, 50, 1]
    assert len(examples(HELP)) == 2

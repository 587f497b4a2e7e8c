"""One answer of a run, with what its model thought."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from codemonkeys.errors import BadInput
from codemonkeys.journal.run_files import reading
from codemonkeys.journal.store import Journal
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Message, Price, Request
from codemonkeys.models.parameters import Parameters
from codemonkeys.report.answer_view import answer_of, answer_view
from codemonkeys.report.atif import trajectory
from tests.fakes import TASK

PARAMETERS = Parameters(effort="high", max_tokens=500)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A run with one answer."""
    journal = Journal(tmp_path, "run", "source", {"ids": [], "generation": {}})
    journal.add_tasks([TASK])
    journal.put_price("m", Price())
    request = Request(StepKey(TASK.id, "edit", 0, 1), (Message("user", "Why?"),), 0.5, 500, parameters=PARAMETERS)
    answer = Completion("Because.", "stop", None, "m-2", reasoning="[bold]Perhaps\x1b[31m", thinking="[]")
    journal.calls.finish(journal.calls.begin(request, "m", 0.0, None), answer)
    journal.close()
    return tmp_path / "run" / "run.db"


def test_an_answer_is_shown_with_its_reasoning_as_it_is(database: Path) -> None:
    with reading(database) as connection:
        found = answer_of(connection, TASK.id, "edit.1.2")
        for name in ("edit.1.1", "edit.0.2", "edit", "a.1.2\n"):
            with pytest.raises(BadInput, match=f"{TASK.id} has no such answer; it has edit.1.2"):
                answer_of(connection, TASK.id, name)
    assert (found["reasoning"], found["answer"]) == ("[bold]Perhaps\x1b[31m", "Because.")
    assert found["parameters"] == {"effort": "high", "max_tokens": 500}
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(answer_view(found))
    text = console.export_text()
    assert "edit.1.2  m-2  stop" in text and "temperature=0.5, max_tokens=500, effort=high" in text
    assert "[bold]Perhaps\n" in text and "\x1b" not in text


def test_a_trajectory_is_exported_with_reasoning_and_effort(database: Path) -> None:
    with reading(database) as connection:
        exported = trajectory(connection, TASK.id)
    (conversation,) = exported["subagent_trajectories"]
    (step,) = [step for step in conversation["steps"] if step["source"] == "agent"]
    assert (step["reasoning_effort"], step["reasoning_content"]) == ("high", "[bold]Perhaps\x1b[31m")
    assert "thinking" not in json.dumps(exported)

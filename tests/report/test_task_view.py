"""What `show` tells of one task."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from codemonkeys.journal import queries, run_files
from codemonkeys.journal.store import Journal
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Message, Price, Request, Usage
from codemonkeys.report.ensemble import stored_choices
from codemonkeys.report.tables import tasks_table
from codemonkeys.report.task_view import task_view
from codemonkeys.settings import load_settings
from tests.fakes import TASK
from tests.report.finished_run import finish_run

PATCH = "diff --git a/{0}.py b/{0}.py\n--- a/{0}.py\n+++ b/{0}.py\n@@ -1 +1 @@\n-x = 1\n+x = {1}\n"


def text(what: RenderableType, width: int = 160) -> str:
    with open(os.devnull, "w") as nowhere:
        console = Console(width=width, record=True, file=nowhere)
        console.print(what)
        return console.export_text()


def story_of(database: Path, task: str) -> dict[str, Any]:
    with run_files.reading(database) as connection:
        return queries.task_story(connection, task) | stored_choices(connection).get(task, {})


@pytest.fixture
def ensemble(tmp_path: Path) -> Callable[[str], Path]:
    """Makes the stored run of an ensemble of three members, of which the regression tests decided."""

    def make(rule: str) -> Path:
        settings = load_settings([f"selection.rule={rule}"]).model_dump(mode="json")
        with closing(Journal(tmp_path, "run", "source", {"ensemble": {"members": []}, **settings})) as journal:
            journal.add_tasks([TASK])
            members = [("alpha_1", "alpha"), ("alpha_2", "alpha"), ("beta", "beta")]
            candidates = [
                (number, number - 1, PATCH.format("a", number), "", True, None, name, family)
                for number, (name, family) in enumerate(members, 1)
            ]
            journal.put_candidates(TASK.id, candidates)
            broken = '["tests/test_a.py::test_one", "tests/test_a.py::test_two"]'
            journal.put_signals(TASK.id, "regression tests", {0: (7.0, "")})
            journal.put_signals(TASK.id, "breaks", {1: (2.0, broken), 2: (None, ""), 3: (0.0, "[]")})
            journal.put_note(TASK.id, "ensemble", 0, "does not apply", [{"source": "gamma", "why": "no\nplace"}])
            journal.end_task(TASK.id, "predicted", "breaks the fewest tests", 3, PATCH.format("a", 3))
        return tmp_path / "run" / "run.db"

    return make


def test_an_ensemble_shows_what_decided(ensemble: Callable[[str], Path]) -> None:
    shown = text(task_view(story_of(ensemble("agentless"), TASK.id)))
    for part in ("alpha_1", "alpha_2", "beta", "breaks, of the repository's 7", "unknown", "No test script ran."):
        assert part in shown
    assert "Candidate 1 breaks tests/test_a.py::test_one, tests/test_a.py::test_two" in shown
    assert "The patch of gamma does not apply: no place" in shown
    assert "Chosen: beta, by agentless with confidence " in shown and "confidence unknown" not in shown
    for part in ("approved by the model", "No test script was written", "Conversations", "Context", "sample"):
        assert part not in shown


def test_each_task_of_an_ensemble_has_a_member_and_a_confidence(ensemble: Callable[[str], Path]) -> None:
    with run_files.reading(ensemble("agentless")) as connection:
        tasks = queries.run_overview(connection)["tasks"]
        (choice,) = stored_choices(connection).values()
    assert choice["source"] == "beta" and 0 <= choice["confidence"] <= 1
    shown = text(tasks_table([task | choice for task in tasks]))
    assert "chosen" in shown and "beta" in shown and f"{choice['confidence']:.2f}" in shown


def test_no_rule_is_loaded_that_a_run_only_names(
    ensemble: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run may come from somebody else: what lies in the current folder is not imported for it."""
    (tmp_path / "rule_of_others.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.chdir(tmp_path)
    shown = text(task_view(story_of(ensemble("rule_of_others:RULE"), TASK.id)))
    assert "Chosen: beta, by rule_of_others:RULE with confidence unknown" in shown


def test_samples_and_tests_count_from_one(tmp_path: Path, make_repository: Callable[..., Path]) -> None:
    """In a run that solves; the stored fields count from 0."""
    finish_run(tmp_path / "runs", make_repository({"module.py": "x = 1\n"}), generation={"samples": 2})
    story = story_of(tmp_path / "runs" / "run" / "run.db", "owner__name-0")
    assert {candidate["sample"] for candidate in story["candidates"]} == {0, 1}
    assert {vote["test"] for vote in story["votes"]} == {0}
    lines = [line.split() for line in text(task_view(story)).splitlines()]
    assert ["edit", "1"] in [line[:2] for line in lines] and ["edit", "2"] in [line[:2] for line in lines]
    assert ["edit", "0"] not in [line[:2] for line in lines]
    first = lines.index(["Candidates"]) + 2
    assert [line[:2] for line in lines[first : first + 2]] == [["1", "1"], ["2", "2"]]
    votes = lines.index(["Votes"]) + 2
    assert lines[votes][0] == "1"


def test_answers_that_were_not_whole_are_told_by_stage_and_reason(tmp_path: Path) -> None:
    usage = Usage(100, 60)
    with closing(Journal(tmp_path, "run", "source", load_settings([]).model_dump(mode="json"))) as journal:
        journal.add_tasks([TASK])
        journal.put_price("m", Price())
        for sample, reason in enumerate(("length", "length", "stop", "empty", "refused")):
            request = Request(StepKey(TASK.id, "edit", sample), (Message("user", "Hello"),))
            step = journal.calls.begin(request, "m", 0.5, None)
            if reason == "refused":
                journal.calls.fail(step, "the model refused", True, usage, reason)
            else:
                told = None if reason == "empty" else usage
                journal.calls.finish(step, Completion("x", reason, told, "m"))
        journal.end_task(TASK.id, "no_candidate", "nothing", None, None)
    shown = text(task_view(story_of(tmp_path / "run" / "run.db", TASK.id)))
    assert "edit: 2 answers cut at the maximum length" in shown
    assert "edit: 1 answer without text; 1 at the upper bound, as no usage came" in shown
    assert "edit: 1 answer in which the model refused to answer" in shown

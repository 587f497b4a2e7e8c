"""The example run that comes with the package: it opens as any other, and the product makes it again as it is."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import codemonkeys
from codemonkeys.cli.app import app
from codemonkeys.demo.example import NAME, store_example
from codemonkeys.demo.example.stored import PACKED
from codemonkeys.errors import BadInput
from codemonkeys.grading.service import context_recall
from codemonkeys.journal import run_files, texts
from tests.cli.command import codemonkeys as command
from tests.example_run import make_example

SAME = {
    "tasks": "SELECT id, state, candidate, patch_hash FROM tasks ORDER BY id",
    "candidates": "SELECT task, number, sample, patch_hash, approved, duplicate_of FROM candidates ORDER BY 1, 2",
    "votes": "SELECT task, candidate, test, original_exit, edited_exit, valid, vote FROM votes ORDER BY 1, 2, 3",
    "verdicts": "SELECT task, patch_hash, outcome FROM verdicts ORDER BY task, patch_hash",
    "calls": "SELECT task, stage, sample, turn, state, model FROM call_steps WHERE state = 'done' ORDER BY 1, 2, 3, 4",
    "choices": "SELECT name, task, state, candidate FROM choices ORDER BY name, task",
}
"""What does not depend on the wording of prompts, nor on time."""


def answers(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(database)) as connection:
        return {name: connection.execute(query).fetchall() for name, query in SAME.items()}


def test_one_command_stores_it_and_all_that_read_a_run_read_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*arguments: str) -> str:
        with pytest.raises(SystemExit) as ended:
            app([*arguments, "--runs", str(tmp_path / "runs")])
        assert ended.value.code == 0
        return capsys.readouterr().out

    assert "codemonkeys report example" in call("demo", "--example")
    states = [task["state"] for task in json.loads(call("show", NAME, "--json"))["tasks"]]
    assert states == ["predicted"] * 6 + ["no candidate", "model failed"]
    before = (tmp_path / "runs" / NAME / "run.db").read_bytes()
    call("demo", "--example")
    assert (tmp_path / "runs" / NAME / "run.db").read_bytes() == before, "what is there stays"
    with pytest.raises(BadInput):
        store_example(tmp_path / "runs", "../elsewhere")


def test_it_is_small_and_tells_nothing_of_the_machine_that_made_it(tmp_path: Path) -> None:
    assert PACKED.stat().st_size < 300_000
    folder = store_example(tmp_path / "runs")
    run = codemonkeys.open_run(folder)
    assert run.source == "codemonkeys.demo.example.tasks:SOURCE:"
    with closing(sqlite3.connect(folder / "run.db")) as connection:
        stored = [texts.get(connection, digest) for (digest,) in connection.execute("SELECT hash FROM texts")]
    for text in (*stored, json.dumps(run.settings), *(task.reason for task in run.tasks())):
        assert "/home/" not in text and "/root/" not in text and str(Path(__file__).parents[2]) not in text


def test_it_shows_every_kind_of_end(tmp_path: Path) -> None:
    run = codemonkeys.open_run(store_example(tmp_path / "runs"))
    chosen = {task.id: task.candidate for task in run.tasks()}
    outcomes = {(verdict.task, verdict.patch_hash): verdict.outcome for verdict in run.verdicts()}
    assert set(outcomes.values()) == {"resolved", "not resolved"}
    assert len({(vote.valid, vote.vote) for vote in run.votes()}) == 2, "votes that differ"
    other = {choice.task: choice.candidate for choice in run.choices()}
    assert any(other[task] != number for task, number in chosen.items() if task in other), "choices that differ"


def test_its_tasks_come_with_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEMONKEYS_HOME", str(tmp_path / "home"))
    store_example(tmp_path / "runs")
    recalls = context_recall(tmp_path / "runs", NAME, None)
    lost = {recall.task: dict(recall.lost) for recall in recalls if recall.lost}
    assert len(recalls) == 8 and lost == {"example__pocket-5": {"pocket/limits.py": "called irrelevant"}}


@pytest.mark.slow
@pytest.mark.long
def test_the_documented_commands_make_it_again(tmp_path: Path, shared_home: Path) -> None:
    made = answers(make_example(tmp_path, shared_home, command))
    database = store_example(tmp_path / "stored") / "run.db"
    run_files.connect_to_write(database).close()  # Brings its schema up to date.
    stored = answers(database)
    for name in SAME:
        assert made[name] == stored[name], name

"""Selecting anew on a stored run: named choices beside its own, of which nothing is lost."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import codemonkeys
from codemonkeys.cli.app import app
from codemonkeys.errors import BadInput, BadSettings, RunExists
from codemonkeys.runs.session import Summary
from tests.cli.command import Command
from tests.cli.command import codemonkeys as command
from tests.journal.test_old_runs import restore
from tests.models.endpoint import Reply, Seen, answer, serve
from tests.runs import judging
from tests.runs.test_runs import wait_for
from tests.tiny_task import ID, add_tasks, make_task_repository

JUDGING = "tests.runs.judging:open_model"


@pytest.fixture(scope="module")
def solved(tmp_path_factory: pytest.TempPathFactory, shared_home: Path) -> Path:
    """A folder with runs, of which `run` has three candidates of each of two tasks."""
    folder = tmp_path_factory.mktemp("solved")
    source = make_task_repository(folder / "tasks")
    add_tasks(Path(source), 2)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CODEMONKEYS_HOME", str(shared_home))
        settings = codemonkeys.load_settings(["generation.samples=3"], model="fake")
        assert codemonkeys.run_solve(source, settings, runs=folder / "runs", name="run").predicted == 2
    return folder


@pytest.fixture
def runs(solved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, shared_home: Path) -> Path:
    """A copy of its runs."""
    monkeypatch.setenv("CODEMONKEYS_HOME", str(shared_home))
    shutil.copytree(solved / "runs", tmp_path / "runs")
    judging.ASKED.clear()
    return tmp_path / "runs"


def query(runs: Path, text: str, *values: Any) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(runs / "run" / "run.db")) as connection:
        return connection.execute(text, values).fetchall()


def select(runs: Path, rule: str | None = None, **given: Any) -> Summary:
    return codemonkeys.run_select("run", rule, runs=runs, **given)


OWN = {
    "tasks": "SELECT * FROM tasks ORDER BY id",
    "candidates": "SELECT * FROM candidates ORDER BY task, number",
    "signals": "SELECT * FROM signals ORDER BY task, kind, number",
    "notes": "SELECT * FROM notes WHERE stage NOT LIKE '%@%' ORDER BY task, stage, sample, kind",
    "controls": "SELECT * FROM controls ORDER BY task, candidate",
    "calls": "SELECT * FROM call_steps WHERE stage NOT LIKE '%@%' ORDER BY id",
    "executions": "SELECT * FROM execution_steps WHERE stage NOT LIKE '%@%' ORDER BY id",
    "run": "SELECT * FROM run",
}
"""What the run itself has come to."""


def own(runs: Path) -> dict[str, list[tuple[Any, ...]]]:
    return {name: query(runs, text) for name, text in OWN.items()}


def test_rules_over_stored_evidence_need_neither_model_nor_sandbox_nor_tasks(runs: Path, solved: Path) -> None:
    before = own(runs)
    shutil.move(solved / "tasks", solved / "away")
    try:
        for rule in ("votes", "agreement", "majority"):
            summary = select(runs, rule)
            assert (summary.predicted, summary.spent, summary.waiting) == (2, 0.0, 0), rule
    finally:
        shutil.move(solved / "away", solved / "tasks")
    assert own(runs) == before
    found = codemonkeys.open_run(runs / "run").choices()
    assert [(choice.name, choice.rule, choice.state) for choice in found[::2]] == [
        ("votes", "votes", "predicted"),
        ("agreement", "agreement", "predicted"),
        ("majority", "majority", "predicted"),
    ]


def test_models_are_asked_once_and_each_choice_has_its_own_bill(runs: Path) -> None:
    before = own(runs)
    summary = select(runs, "judge", model=JUDGING, name="judged")
    asked = len(judging.ASKED)
    assert asked and summary.predicted == 2 and summary.spent == pytest.approx(0.11 * asked)
    assert {request.key.stage for request in judging.ASKED} == {"judge@judged"}
    run = codemonkeys.open_run(runs / "run")
    assert {choice.candidate for choice in run.choices("judged")} == {3}
    assert {task.candidate for task in run.tasks()} == {1}
    # The same requests of another choice are answered by what is paid for; resuming asks nothing.
    assert select(runs, "hybrid", model=JUDGING).spent == 0.0
    assert select(runs, name="judged").predicted == 2
    assert len(judging.ASKED) == asked
    assert own(runs) == before
    assert query(runs, "SELECT choice, model, calls FROM spend_by_choice WHERE choice <> ''") == [
        ("judged", "judging", asked)
    ]
    assert {prediction.model_patch for prediction in run.predictions("judged").values()} == {
        candidate.patch for candidate in run.candidates() if candidate.number == 3
    }


@pytest.mark.parametrize("rule", ["conversation", "ballots", "top judge", "tournament"])
def test_every_rule_that_asks_a_model_has_steps_of_its_own(rule: str, runs: Path) -> None:
    before = own(runs)
    assert select(runs, rule, model=JUDGING, name="again").predicted == 2
    stages = {request.key.stage for request in judging.ASKED}
    assert stages and all(stage.endswith("@again") for stage in stages)
    assert own(runs) == before


def test_a_choice_of_another_kind_needs_another_name(runs: Path) -> None:
    select(runs, "votes", name="mine")
    with pytest.raises(RunExists, match=r"choice 'mine' of run 'run' was begun with a different rule"):
        select(runs, "majority", name="mine")
    with pytest.raises(RunExists, match=r"selection.candidates was"):
        select(runs, "votes", name="mine", settings={"selection": {"candidates": 2}})
    assert select(runs, "votes", name="mine").predicted == 2


def test_what_cannot_be_selected_is_refused_before_anything_is_written(runs: Path) -> None:
    with pytest.raises(BadInput, match="the rules are random, shortest"):
        select(runs)
    with pytest.raises(BadInput, match="has no choice 'none' to go on with"):
        select(runs, name="none")
    with pytest.raises(BadSettings, match="no such rule"):
        select(runs, "best")
    with pytest.raises(BadSettings, match="only settings of selection"):
        select(runs, "votes", settings={"generation": {"samples": 9}})
    with pytest.raises(BadInput, match="cannot be used: letters"):
        select(runs, "votes", name="../up")
    assert query(runs, "SELECT count(*) FROM named_choices") == [(0,)]


def test_a_choice_keeps_to_its_own_budget_and_goes_on_with_more(runs: Path) -> None:
    few = select(runs, "judge", model=JUDGING, settings={"operation": {"budget": 0.5, "tasks": 1}}, name="judged")
    assert few.over_budget and few.spent is not None and few.spent <= 0.5
    reasons = [choice.reason for choice in codemonkeys.open_run(runs / "run").choices("judged")]
    assert any("select('run', name='judged')" in reason for reason in reasons), reasons
    rest = select(runs, name="judged", settings={"operation": {"budget": 500.0}})
    assert rest.predicted == 2
    steps = [request.key for request in judging.ASKED]
    assert len(steps) == len(set(steps))


def test_a_rule_with_too_few_verifiers_gives_way_to_one_that_needs_none(runs: Path) -> None:
    assert select(runs, "weaver of families").predicted == 2
    reasons = {choice.reason for choice in codemonkeys.open_run(runs / "run").choices()}
    assert all("by agreement, as " in reason for reason in reasons), reasons


def test_a_run_of_the_version_before_is_selected_from(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    database = restore("judge", runs)
    with closing(sqlite3.connect(database)) as connection:  # They were stopped while they selected.
        connection.execute("UPDATE tasks SET state = 'model failed' WHERE id IN (SELECT task FROM candidates)")
        connection.commit()
    run = codemonkeys.open_run(database)
    before, states = run.calls(), [task.state for task in run.tasks()]
    summary = codemonkeys.run_select("judge", "votes", runs=runs)
    assert summary.predicted == len({candidate.task for candidate in run.candidates()}) > 0
    assert run.calls() == before and [task.state for task in run.tasks()] == states
    assert list(database.parent.glob("run.db.before-*")), "it was copied before its schema changed"


def test_the_command_tells_what_differs_and_other_commands_take_the_choice(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*arguments: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            app([*arguments, "--runs", str(runs)])
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    code, said = call("select", "run", "--rule", "judge", "-m", JUDGING, "--name", "judged", "--budget", "5000")
    assert code == 0 and "2 of 2 tasks have a prediction; 0 of them the run's own." in said, said
    assert "export run --choice judged" in said
    code, said = call("select", "run", "--name", "judged", "--json")
    assert code == 0 and {task["candidate"] for task in json.loads(said)["tasks"]} == {3}
    code, said = call("select", "run", "--rule", "votes", "--name", "judged")
    assert code == 2 and "Choose another name for this one (--name NAME)" in said
    code, said = call("export", "run", "--choice", "judged", "-o", str(runs / "preds.json"))
    patches = {row["model_patch"] for row in json.loads((runs / "preds.json").read_text()).values()}
    assert code == 0 and len(patches) == 1 and "trajectory 2" in patches.pop()
    code, said = call("export", "run", "--choice", "none", "-o", str(runs / "none.json"))
    assert code == 2 and "run 'run' has no choice 'none'; it has judged" in said
    code, said = call("status", "run")
    assert code == 0 and "of it for choice judged: " in said
    code, said = call("study", "run")
    assert code == 0 and "choice judged" in said and "judge, asking tests.runs" in said
    code, said = call("evaluate", "run", "--choice", "judged", "--sandbox", "local")
    assert "0 of 2 graded predictions are resolved" in said, said
    assert (runs / "run" / "logs" / "run_evaluation" / "run" / "codemonkeys-judged" / ID).is_dir()
    code, said = call("study", "run", "--json")
    rules = {row["name"]: row for row in json.loads(said)["rules"]}
    assert rules["choice judged"]["scored"] == 2 and rules["choice judged"]["score"][0] == 0.0
    assert rules["as the run chose"]["scored"] == 0 and rules["votes"]["as_run"] is not None


@pytest.mark.slow
def test_a_choice_is_killed_and_goes_on_without_asking_again(runs: Path, shared_home: Path) -> None:
    def judge(seen: Seen) -> Reply:
        return replace(answer("YES"), seconds=0.3)

    prices = {
        "openai/test": {"input_cost_per_token": 1e-5, "output_cost_per_token": 2e-5, "litellm_provider": "openai"}
    }
    (runs / "prices.json").write_text(json.dumps(prices))
    with serve(judge) as endpoint:
        more = ["-c", f"operation.prices={runs / 'prices.json'}", "-c", "operation.calls=1", "--budget", "5"]
        asked = ["select", "run", "--rule", "judge", "-m", "openai/test", "--api-base", endpoint.url, "--name", "far"]
        process = Command(*asked, *more, home=shared_home, cwd=runs.parent)
        wait_for(lambda: len(endpoint.requests) >= 3 or process.poll() is not None)
        assert process.poll() is None
        process.kill()
        process.communicate()
        before = own(runs)
        kept = query(runs, "SELECT count(*) FROM call_steps WHERE stage = 'judge@far' AND state = 'done'")[0][0]
        sent = len(endpoint.requests)
        done = command("select", "run", "--name", "far", "--json", home=shared_home, cwd=runs.parent)
        assert done.code == 0, done.err
        assert len(endpoint.requests) - sent == 2 * 3 * 5 - kept
    assert own(runs) == before and json.loads(done.out)["calls"] == 2 * 3 * 5 + sent - kept

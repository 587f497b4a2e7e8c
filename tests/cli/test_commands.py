"""The commands on one tiny task, with the fake model: what they print, write and return."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from codemonkeys.cli import doctor
from tests.cli.command import Done, codemonkeys
from tests.tiny_task import GOLD, ID, make_task_repository

pytestmark = pytest.mark.xdist_group("tiny-run")


class Run:
    """A finished run of the tiny task, and a way to call commands beside it."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        self.source = make_task_repository(folder / "tasks")
        self.done = self("solve", self.source, "-m", "fake", "--run", "tiny", "-c", "generation.samples=2", "--json")

    def __call__(self, *arguments: str | Path, **variables: str) -> Done:
        return codemonkeys(*arguments, home=self.home, cwd=self.folder, **variables)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, shared_home: Path) -> Run:
    return Run(tmp_path_factory.mktemp("cli"), shared_home)


def test_solve_reports_the_final_state(run: Run) -> None:
    assert run.done.code == 0, run.done.err
    summary = json.loads(run.done.out)
    assert (summary["predicted"], summary["waiting"], summary["spent_usd"]) == (1, 0, 0)
    assert summary["tasks"][0]["task"] == ID
    assert f"{ID}: predicted" in run.done.err


def test_resuming_a_finished_run_repeats_no_step(run: Run) -> None:
    counts = "SELECT (SELECT count(*) FROM call_steps), (SELECT count(*) FROM execution_steps)"
    connection = sqlite3.connect(run.folder / "runs" / "tiny" / "run.db")
    before = connection.execute(counts).fetchone()
    assert run("resume", "tiny").code == 0
    assert connection.execute(counts).fetchone() == before
    connection.close()


def test_show_run_and_task(run: Run) -> None:
    overview = run("show", "tiny")
    assert overview.code == 0 and ID in overview.out and "predicted" in overview.out
    task = run("show", "tiny", ID)
    for part in ("Context", "Candidates", "Votes", "chosen", "codemonkeys_dry_run.txt", "issue present", "Spend"):
        assert part in task.out
    story = json.loads(run("show", "tiny", ID, "--json").out)
    assert [row["vote"] for row in story["votes"]] == [1, 1]
    assert run("show", "tiny", "other__task-1").code == 2


@pytest.mark.slow
def test_exported_predictions_are_what_the_harness_reads(run: Run) -> None:
    from swebench.harness.utils import get_predictions_from_file

    assert run("export", "tiny", "-o", "preds.jsonl").code == 0
    (prediction,) = get_predictions_from_file(str(run.folder / "preds.jsonl"), "tiny", "test")
    assert prediction["instance_id"] == ID
    assert prediction["model_patch"].startswith("diff --git a/codemonkeys_dry_run.txt")
    assert run("export", "tiny", "-o", "preds.json").code == 0
    assert list(json.loads((run.folder / "preds.json").read_text())) == [ID]
    assert run("export", "tiny", "-o", "preds.txt").code == 2


@pytest.mark.slow
def test_evaluate_run_and_file(run: Run) -> None:
    done = run("evaluate", "tiny")
    assert done.code == 4 and "0 of 1 graded predictions are resolved" in done.out, done.err
    row = {"instance_id": ID, "model_name_or_path": "gold", "model_patch": GOLD}
    (run.folder / "gold.jsonl").write_text(json.dumps(row) + "\n")
    assert run("evaluate", "gold.jsonl").code == 2
    done = run("evaluate", "gold.jsonl", run.source, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)[0]["resolved"] is True
    connection = sqlite3.connect(run.folder / "runs" / "tiny" / "run.db")
    assert connection.execute("SELECT outcome FROM verdicts").fetchall() == [("not resolved",)]
    connection.close()


def test_doctor_shows_no_key(run: Run) -> None:
    done = run("doctor", "--json", OPENAI_API_KEY="sk-canary-0123456789abcdef")
    checks = {check["name"]: check for check in json.loads(done.out)}
    assert "OPENAI_API_KEY" in checks["keys"]["detail"] and "canary" not in done.out + done.err
    assert checks["sandbox local"]["verdict"] == "ok"
    assert done.code == 0
    assert run("doctor", "-m", "anthropic/claude-sonnet-4-5").code == 1


def test_doctor_tells_where_a_node_would_get_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.no_room_as_node(tmp_path / "not" / "yet") == ""
    monkeypatch.setattr(doctor, "free_bytes", lambda folder: (4 << 30) - (1 << 20))
    assert "less than 4 GiB of disk are free" in doctor.no_room_as_node(tmp_path)
    verdicts = {check.name: check for check in doctor.sandboxes()}
    assert verdicts["sandbox ray-local"].verdict == "warning"
    assert "this machine as a node: it gets no environments" in verdicts["sandbox ray-local"].detail


def test_settings_are_all_explained(run: Run) -> None:
    shown = json.loads(run("settings", "--json").out)
    assert {"paper", "balanced", "cheap", "agent", "agent-cheap"} == shown["profiles"].keys()
    listed = shown["settings"]
    assert {"generation.samples", "operation.budget", "context.mode"} <= {row["name"] for row in listed}
    assert all(row["meaning"] for row in listed)


@pytest.mark.slow
def test_every_command_has_help_and_none_is_long(run: Run) -> None:
    overview = run("--help")
    assert overview.code == 0 and "Exit codes" in overview.out
    for command in ("demo", "solve", "resume", "show", "export", "evaluate", "doctor", "settings"):
        assert command in overview.out
        done = run(command, "--help")
        assert done.code == 0 and len(done.out.splitlines()) < 60


def test_hostile_text_is_shown_as_text(run: Run, tmp_path: Path) -> None:
    """Markup and terminal escapes in a task's state are neutralised."""
    database = tmp_path / "runs" / "copy" / "run.db"
    database.parent.mkdir(parents=True)
    source = sqlite3.connect(run.folder / "runs" / "tiny" / "run.db")
    target = sqlite3.connect(database)
    source.backup(target)
    target.execute("UPDATE tasks SET reason = '[red]x[/red] [link=http://evil]y[/link] \x1b[31m\x1b]0;title\x07'")
    target.commit()
    target.close()
    source.close()
    done = run("show", "copy", "--runs", tmp_path / "runs")
    assert done.code == 0, done.err
    assert "\x1b" not in done.out and "\x07" not in done.out
    assert "[link=http://evil]" in done.out.replace("\n", "")

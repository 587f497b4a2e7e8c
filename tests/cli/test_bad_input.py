"""A user's mistake ends in one clear message and exit code 2, before anything is spent or written."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from codemonkeys import run_evaluate
from codemonkeys.errors import BadInput
from codemonkeys.tasks.predictions import Prediction
from tests.cli.command import Done, codemonkeys
from tests.tiny_task import ID, make_task_repository

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A task repository of one tiny task."""
    return make_task_repository(tmp_path_factory.mktemp("tiny") / "repository")


def refused(done: Done, *words: str, code: int = 2) -> None:
    """The command refused, said why in one message, and showed no traceback."""
    assert done.code == code, done.err
    assert "Traceback" not in done.err
    for word in words:
        assert word in done.err, done.err


def solve(tmp_path: Path, home: Path, *arguments: str | Path, **variables: str) -> Done:
    return codemonkeys("solve", *arguments, home=home, cwd=tmp_path, **variables)


def test_unknown_dataset(tmp_path: Path, shared_home: Path) -> None:
    refused(solve(tmp_path, shared_home, "nowhere.jsonl", "-m", "fake"), "nowhere.jsonl")
    assert not (tmp_path / "runs").exists()


def test_unknown_task_names_the_nearest(tmp_path: Path, shared_home: Path, tiny: str) -> None:
    refused(solve(tmp_path, shared_home, tiny, "-i", "tiny__greeting-2", "-m", "fake"), "tiny__greeting-2", ID)


def test_malformed_line_is_named_by_number(tmp_path: Path, shared_home: Path) -> None:
    row = {"instance_id": "a__b-1", "repo": "a/b", "base_commit": "0" * 40, "problem_statement": "x"}
    (tmp_path / "tasks.jsonl").write_text(json.dumps(row) + "\n{not json\n")
    refused(solve(tmp_path, shared_home, "tasks.jsonl", "-m", "fake"), "tasks.jsonl", "2")


def test_no_model(tmp_path: Path, shared_home: Path, tiny: str) -> None:
    refused(solve(tmp_path, shared_home, tiny), "no model was named", "with -m", "or fake to try everything")


def test_missing_key_names_the_variable(tmp_path: Path, shared_home: Path, tiny: str) -> None:
    refused(solve(tmp_path, shared_home, tiny, "-m", "anthropic/claude-sonnet-4-5"), "ANTHROPIC_API_KEY")
    assert not (tmp_path / "runs").exists()


def test_unpriced_model_under_a_budget(tmp_path: Path, shared_home: Path, tiny: str) -> None:
    arguments = ("-m", "openai/nobody-knows", "--api-base", "http://127.0.0.1:9/v1", "--budget", "5")
    refused(solve(tmp_path, shared_home, tiny, *arguments), "openai/nobody-knows", "operation.prices")


@pytest.mark.parametrize(
    "given", ["generation.smaples=3", "generation.samples=none", "generation.samples=0", "no-such.yaml", "sandbox=5"]
)
def test_setting_that_cannot_be(tmp_path: Path, shared_home: Path, tiny: str, given: str) -> None:
    refused(solve(tmp_path, shared_home, tiny, "-m", "fake", "-c", given), given.split("=")[0].split(".")[0])


def test_wrong_flag(tmp_path: Path, shared_home: Path, tiny: str) -> None:
    refused(solve(tmp_path, shared_home, tiny, "--smaples", "3"), "--smaples")


def test_no_sandbox(tmp_path: Path, shared_home: Path, tiny: str) -> None:
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    done = solve(tmp_path, shared_home, tiny, "-m", "fake", "--sandbox", "docker", **nowhere)
    refused(done, "the sandbox docker cannot be used: No Docker engine answers", code=1)
    assert not (tmp_path / "runs").exists()


def test_a_cluster_that_no_sandbox_would_use(tmp_path: Path, shared_home: Path, tiny: str) -> None:
    """The address alone was once left aside without a word, and everything ran on this machine."""
    words = ("--ray-address auto names a cluster", "--sandbox ray")
    for more in ((), ("--sandbox", "local"), ("--dry-run",)):
        refused(solve(tmp_path, shared_home, tiny, "-m", "fake", "--ray-address", "auto", *more), *words)
    assert not (tmp_path / "runs").exists()
    with pytest.raises(BadInput, match="ray_address=auto names a cluster.*give sandbox=ray"):
        run_evaluate({"x": Prediction("x", "me", "")}, tiny, ray_address="auto")


def test_image_only_task_without_docker(tmp_path: Path, shared_home: Path) -> None:
    row = {"instance_id": "a__b-1", "repo": "a/b", "base_commit": "0" * 40, "problem_statement": "x"}
    (tmp_path / "tasks.jsonl").write_text(json.dumps(row) + "\n")
    nowhere = {"DOCKER_HOST": f"unix://{tmp_path}/no.sock"}
    refused(solve(tmp_path, shared_home, "tasks.jsonl", "-m", "fake", **nowhere), "only as a container image", code=1)


def test_run_that_exists_with_other_settings(tmp_path: Path, shared_home: Path, tiny: str) -> None:
    first = ("-m", "fake", "--run", "one", "-c", "generation.samples=1")
    assert solve(tmp_path, shared_home, tiny, *first).code == 0
    before = (tmp_path / "runs" / "one" / "run.db").read_bytes()
    done = solve(tmp_path, shared_home, tiny, "-m", "fake", "--run", "one", "-c", "generation.samples=2")
    refused(done, "'one'", "generation", "codemonkeys resume one")
    assert (tmp_path / "runs" / "one" / "run.db").read_bytes() == before


@pytest.mark.parametrize("command", ["resume", "show", "export", "evaluate", "solve"])
def test_corrupt_run_is_named_and_left_alone(tmp_path: Path, shared_home: Path, tiny: str, command: str) -> None:
    path = tmp_path / "runs" / "one" / "run.db"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"this was a database once" * 100)
    arguments: list[str] = {
        "export": ["one", "-o", "preds.jsonl"],
        "solve": [tiny, "-m", "fake", "--run", "one"],
    }.get(command, ["one"])
    refused(codemonkeys(command, *arguments, home=shared_home, cwd=tmp_path), "run.db cannot be read as a run")
    assert path.read_bytes() == b"this was a database once" * 100


def test_run_that_does_not_exist(tmp_path: Path, shared_home: Path) -> None:
    for command in ("show", "resume", "evaluate"):
        refused(codemonkeys(command, "nothing", home=shared_home, cwd=tmp_path), "no run 'nothing'")


@pytest.mark.slow
def test_replay_that_lacks_an_answer(tmp_path: Path, shared_home: Path, tiny: str) -> None:
    few = ("-c", "generation.samples=1", "--run", "recorded")
    assert solve(tmp_path, shared_home, tiny, "-m", "fake", *few).code == 0
    export = ("export", "recorded", "-o", "all.jsonl", "--format", "recording")
    assert codemonkeys(*export, home=shared_home, cwd=tmp_path).code == 0
    lines = (tmp_path / "all.jsonl").read_text().splitlines(keepends=True)
    kept = [line for line in lines if '"edit"' not in line or '"turn": 1' not in line]
    assert len(kept) < len(lines)
    (tmp_path / "less.jsonl").write_text("".join(kept))
    again = solve(tmp_path, shared_home, tiny, "--replay", "less.jsonl", "-c", "generation.samples=1", "--run", "again")
    refused(again, "less.jsonl", f"{ID} edit sample 1 turn 2")
    whole = solve(tmp_path, shared_home, tiny, "--replay", "all.jsonl", "-c", "generation.samples=1", "--run", "whole")
    assert whole.code == 0
    database = tmp_path / "runs" / "recorded" / "run.db"
    from_run = solve(tmp_path, shared_home, tiny, "--replay", database, "-c", "generation.samples=1", "--run", "db")
    assert from_run.code == 0
    patches = set()
    for name in ("recorded", "whole", "db"):
        connection = sqlite3.connect(tmp_path / "runs" / name / "run.db")
        patches.add(connection.execute("SELECT model_patch FROM predictions").fetchone()[0])
        connection.close()
    assert len(patches) == 1


def test_own_prompts(tmp_path: Path, shared_home: Path, tiny: str) -> None:
    own = tmp_path / "own"
    own.mkdir()
    arguments = (tiny, "-m", "fake", "--prompts", own, "-c", "generation.samples=1")
    (own / "test.usr.jinja").write_text("Hello")
    refused(solve(tmp_path, shared_home, *arguments), "test.usr.jinja", "test.user.jinja")
    (own / "test.usr.jinja").unlink()
    (own / "test.user.jinja").write_text("Write a test, {{ nmae }}.")
    refused(solve(tmp_path, shared_home, *arguments), "test.user.jinja", "nmae")
    (own / "test.user.jinja").write_text("Write the test now, please.")
    assert solve(tmp_path, shared_home, *arguments, "--run", "own").code == 0


def test_changed_prompt_is_refused_on_resume_and_accepted_on_demand(
    tmp_path: Path, shared_home: Path, tiny: str
) -> None:
    """The task is marked as unfinished, so that there is something left to resume."""
    own = tmp_path / "own"
    own.mkdir()
    (own / "test.user.jinja").write_text("Write the test.")
    arguments = (tiny, "-m", "fake", "--prompts", own, "-c", "generation.samples=1", "--run", "one")
    assert solve(tmp_path, shared_home, *arguments).code == 0
    connection = sqlite3.connect(tmp_path / "runs" / "one" / "run.db")
    connection.execute("UPDATE tasks SET state = 'running', ended_at = NULL")
    connection.commit()
    connection.close()
    (own / "test.user.jinja").write_text("Write the test, but differently.")
    done = codemonkeys("resume", "one", home=shared_home, cwd=tmp_path)
    refused(done, f"{ID} test sample 1 turn 1", "--accept-changes")
    assert codemonkeys("resume", "one", "--accept-changes", home=shared_home, cwd=tmp_path).code == 0

"""What `examples/` shows: a sandbox, a rule and a model that a run takes from a file of the current folder."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cli.command import Done, codemonkeys, environment
from tests.models.endpoint import serve
from tests.recorded import dry_run
from tests.tiny_task import GOLD, ID, WRONG, make_task_repository

EXAMPLES = Path(__file__).parents[2] / "examples"
ONE_SAMPLE = ("-c", "generation.samples=1")


class Place:
    """A way to call commands in `examples/`, with runs elsewhere."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        self.source = make_task_repository(folder / "tasks")

    def __call__(self, *arguments: str | Path, cwd: Path = EXAMPLES) -> Done:
        where = ("--runs", self.folder / "runs")
        return codemonkeys(*arguments, *where, home=self.home, cwd=cwd, PYTHONDONTWRITEBYTECODE="1")

    def solve(self, run: str, *arguments: str) -> dict[str, Any]:
        done = self("solve", self.source, "--run", run, *arguments, "--json")
        assert done.code == 0, done.err
        summary: dict[str, Any] = json.loads(done.out)
        return summary

    def story(self, run: str) -> dict[str, Any]:
        story: dict[str, Any] = json.loads(self("show", run, ID, "--json").out)
        return story


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, shared_home: Path) -> Place:
    return Place(tmp_path_factory.mktemp("examples"), shared_home)


@pytest.mark.slow
def test_the_sandbox_runs_what_ours_runs_alike(place: Place) -> None:
    assert place.solve("theirs", "-m", "fake", "--sandbox", "sandbox:BACKEND", *ONE_SAMPLE)["predicted"] == 1
    assert place.solve("ours", "-m", "fake", "--sandbox", "local", *ONE_SAMPLE)["predicted"] == 1
    theirs, ours = place.story("theirs"), place.story("ours")
    assert theirs["votes"] == ours["votes"] and theirs["votes"][0]["vote"] == 1
    assert theirs["candidates"] == ours["candidates"]


@pytest.mark.slow
def test_agents_are_refused_where_there_are_no_sessions(place: Place) -> None:
    """Before anything is spent; the name of the run stays free."""
    agents = ("-c", "generation.kinds=[edit,agent]")
    words = ("solve", place.source, "--run", "agents", "-m", "fake", *agents, *ONE_SAMPLE)
    assert place(*words, "--sandbox", "sandbox:BACKEND").code == 0, "the only sample is no agent"
    done = place(*words[:3], "none", *words[4:-2], "--sandbox", "sandbox:BACKEND")
    assert done.code == 2 and "has no sessions, in which agents work" in done.err
    assert not (place.folder / "runs" / "none").exists()


@pytest.mark.slow
def test_a_run_keeps_its_sandbox(place: Place, tmp_path: Path) -> None:
    """A resume finds it by the same name, or says what is missing."""
    place.solve("kept", "-m", "fake", "--sandbox", "sandbox:BACKEND", *ONE_SAMPLE)
    assert place("resume", "kept").code == 0
    done = place("resume", "kept", cwd=tmp_path)
    assert done.code == 2 and "sandbox 'sandbox:BACKEND' cannot be loaded" in done.err


@pytest.mark.slow
def test_hidden_tests_are_graded_in_the_sandbox(place: Place) -> None:
    rows = [{"instance_id": ID, "model_name_or_path": "mine", "model_patch": patch} for patch in (GOLD, WRONG)]
    resolved = []
    for number, row in enumerate(rows):
        (place.folder / f"{number}.jsonl").write_text(json.dumps(row) + "\n")
        arguments = (place.folder / f"{number}.jsonl", place.source, "--sandbox", "sandbox:BACKEND", "--json")
        graded = place("evaluate", *arguments, "-o", place.folder)
        resolved.append(json.loads(graded.out)[0]["resolved"])
    assert resolved == [True, False]


@pytest.mark.parametrize(
    ("word", "holds"), [("exit", True), ("patch", True), ("network", False), ("host_is_hidden", False)]
)
@pytest.mark.slow
def test_the_suite_tells_what_the_sandbox_holds(place: Place, word: str, holds: bool) -> None:
    """It says of itself that it does not isolate."""
    command = [sys.executable, "-m", "sandboxes.conformance", "sandbox:make", "-k", word]
    variables = environment(place.home, PYTHONDONTWRITEBYTECODE="1")
    done = subprocess.run(command, cwd=EXAMPLES, env=variables, capture_output=True, text=True, check=False)
    found = re.search(r"^(\d+) of (\d+) checks hold$", done.stdout, re.M)
    assert found is not None, done.stderr
    assert (done.returncode == 0) == holds == (found[1] == found[2]) and int(found[2]) > 0, done.stdout


@pytest.mark.slow
def test_the_rule_chooses_and_stands_beside_the_others(place: Place) -> None:
    summary = place.solve("ruled", "-m", "fake", "-c", "selection.rule=rule:RULE", "-c", "generation.samples=2")
    assert summary["tasks"][0]["reason"] == "touches the fewest files"
    studied = json.loads(place("study", "ruled", "--json").out)
    (row,) = [row for row in studied["rules"] if row["name"] == "rule:RULE"]
    assert (row["source"], row["abstained"], row["as_run"]) == ("of my own", 0, 1.0)
    elsewhere = place("study", "ruled", "--json", cwd=place.folder)
    assert elsewhere.code == 0 and "skipping the run's own rule: " in elsewhere.err
    assert "rule:RULE" not in [row["name"] for row in json.loads(elsewhere.out)["rules"]]


@pytest.mark.slow
def test_the_rule_chooses_among_submissions(place: Place) -> None:
    two = GOLD + GOLD.replace("greeting.py", "other.py")
    for name, patch in (("one", GOLD), ("two", two)):
        row = {"instance_id": ID, "model_name_or_path": name, "model_patch": patch}
        (place.folder / f"{name}.jsonl").write_text(json.dumps(row) + "\n")
    members = [place.folder / f"{name}.jsonl" for name in ("two", "one")]
    done = place("ensemble", *members, place.source, "--select", "rule:RULE", "--run", "ensemble", "--json")
    assert done.code == 0, done.err
    (task,) = json.loads(done.out)["tasks"]
    assert (task["source"], task["reason"]) == ("one", "touches the fewest files")


@pytest.mark.slow
def test_the_model_answers_through_the_whole_pipeline(place: Place) -> None:
    model = ("-m", "model:open_model")
    with serve(dry_run) as endpoint:
        summary = place.solve("modelled", *model, "--api-base", endpoint.url, "--budget", "1", *ONE_SAMPLE)
    assert summary["predicted"] == 1 and len(endpoint.requests) > 3
    # The endpoint counts 10 tokens of prompt and 5 of completion a call.
    assert summary["spent_usd"] == pytest.approx(len(endpoint.requests) * (10 * 0.5e-6 + 5 * 1.5e-6))
    done = place("solve", place.source, *model, "--run", "no-address")
    assert done.code == 2 and "give the endpoint's address with --api-base" in done.err
    assert not (place.folder / "runs" / "no-address").exists()

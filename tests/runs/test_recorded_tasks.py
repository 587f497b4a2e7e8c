"""Two real SWE-bench tasks, solved from recorded conversations in which a careful reader of the issues answered.

The answers were written from the issue and the code alone, without a look at the reference fixes or the hidden tests.
By the official harness (`swebench eval` 5.0.2 on Docker, images built as tests/images.py builds them) the reference
fixes of both tasks are resolved, and so are the predictions of both recordings.

In both recordings one of the three candidates is plausible but incomplete, one edit is repaired after its test showed
what it misses, and the selection conversation decides by a test of its own.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codemonkeys.models.replay import read_recording
from tests.cli.command import Done, codemonkeys
from tests.models.endpoint import serve
from tests.recorded import responder_of

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.data]

MARSHMALLOW = "marshmallow-code__marshmallow-1359"
ASTROID = "pylint-dev__astroid-1866"
RECORDINGS = Path(__file__).parents[1] / "data" / "recordings"

# The tests of one task share its replay, if they run in one worker.
TASKS = [pytest.param(task, marks=pytest.mark.xdist_group(task)) for task in (MARSHMALLOW, ASTROID)]


class Solver:
    """Solves recorded tasks, each run in the folder `runs`."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        self.tasks = Path()
        self._replayed: dict[str, str] = {}

    def command(self, *arguments: str | Path, **variables: str) -> Done:
        return codemonkeys(*arguments, home=self.home, cwd=self.folder, **variables)

    def solve(self, task: str, run: str, *arguments: str | Path, **variables: str) -> str:
        """The patch that a run predicts; it must have been chosen by the conversation, not for want of an answer."""
        # The two test files that matter most hold 40 tests and more; of astroid's others, single tests take minutes.
        few = ("generation.samples=3", "context.rankings=3", "selection.regression_files=2")
        settings = [word for setting in few for word in ("-c", setting)]
        done = self.command("solve", self.tasks, "-i", task, "--run", run, "--json", *settings, *arguments, **variables)
        assert done.code == 0, done.err
        assert f"{task}: predicted (chosen in the selection conversation)" in done.err
        predictions = self.folder / f"{run}.json"
        assert self.command("export", run, "-o", predictions).code == 0
        patch = json.loads(predictions.read_text())[task]["model_patch"]
        assert isinstance(patch, str)
        return patch

    def replay(self, task: str) -> str:
        """The patch predicted from the recording in the local sandbox; the run is called as the task."""
        if task not in self._replayed:
            self._replayed[task] = self.solve(task, task, "--replay", recording(task), "--sandbox", "local")
        return self._replayed[task]


@pytest.fixture(scope="module")
def shared_solver(tmp_path_factory: pytest.TempPathFactory, shared_home: Path) -> Solver:
    return Solver(tmp_path_factory.mktemp("recorded"), shared_home)


@pytest.fixture
def solver(shared_solver: Solver, data_dir: Path) -> Solver:
    shared_solver.tasks = data_dir / "task_repo"
    return shared_solver


def recording(task: str) -> Path:
    """The recorded conversations of a task."""
    return RECORDINGS / f"{task}.jsonl"


@pytest.mark.parametrize("task", TASKS)
def test_incomplete_edit_is_outvoted_and_prediction_resolved(task: str, solver: Solver) -> None:
    solver.replay(task)
    story = json.loads(solver.command("show", task, task, "--json").out)
    votes = {row["number"]: 0 for row in story["candidates"]}
    for row in story["votes"]:
        votes[row["candidate"]] += row["vote"]
    assert len(votes) == 3
    assert min(votes.values()) < votes[story["candidate"]] == max(votes.values())
    signals = {(row["kind"], row["number"]): row["value"] for row in story["signals"]}
    assert signals["regression tests", 0] >= 40
    assert {number: signals["breaks", number] for number in votes} == dict.fromkeys(votes, 0)

    done = solver.command("evaluate", task, "--sandbox", "local", "--json")
    assert done.code == 0, done.err
    (verdict,) = json.loads(done.out)
    assert (verdict["id"], verdict["outcome"]) == (task, "resolved")


@pytest.mark.xdist_group(MARSHMALLOW)
def test_same_prediction_over_http(solver: Solver) -> None:
    answers = read_recording(recording(MARSHMALLOW))
    with serve(responder_of(answers)) as endpoint:
        # One conversation after the other: who is told apart only by the order of arrival must arrive in that order.
        one_by_one = ("-c", "operation.calls=1", "-c", "generation.wave=1")
        hosted = ("-m", "openai/recorded", "--api-base", endpoint.url, *one_by_one)
        patch = solver.solve(MARSHMALLOW, "http", *hosted, "--sandbox", "local", OPENAI_API_KEY="none")
    assert patch == solver.replay(MARSHMALLOW)
    assert len(endpoint.requests) == len(answers)


@pytest.mark.docker
@pytest.mark.xdist_group(MARSHMALLOW)
def test_same_prediction_in_docker(solver: Solver) -> None:
    patch = solver.solve(MARSHMALLOW, "docker", "--replay", recording(MARSHMALLOW), "--sandbox", "docker")
    assert patch == solver.replay(MARSHMALLOW)
    stories = [json.loads(solver.command("show", run, MARSHMALLOW, "--json").out) for run in ("docker", MARSHMALLOW)]
    assert stories[0]["signals"] == stories[1]["signals"]

"""Hidden tests on the nodes of a Ray cluster: verdicts as on one machine, also when a node is killed; and `clean`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from codemonkeys.cli import cleaning, images
from codemonkeys.cli.exits import Exit
from codemonkeys.grading.evaluation import SandboxGrader, evaluate
from codemonkeys.grading.service import GradingOptions, grade_predictions
from codemonkeys.grading.verdict import Outcome, Verdict
from codemonkeys.tasks.answer_key import load_answer_keys
from codemonkeys.tasks.environments import environment_of
from codemonkeys.tasks.predictions import Prediction
from codemonkeys.tasks.sources import load_tasks
from sandboxes.base import Limits
from sandboxes.processes import process_start
from tests.sandboxes.cluster import TwoNodes, up, wait_for
from tests.tiny_task import EVAL, GOLD, WRONG, add_tasks, make_task_repository

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

PATCHES = (
    GOLD,
    WRONG,
    "",
    GOLD.replace(" def greet(name: str)", " def greet(who: str)"),
    GOLD.replace("greeting.py", "missing.py"),
)


@pytest.fixture
def source(tmp_path: Path, shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("CODEMONKEYS_HOME", str(shared_home))
    made = make_task_repository(tmp_path / "tiny")
    add_tasks(Path(made), len(PATCHES))
    return made


def test_verdicts_are_those_of_one_machine(
    ray_cluster: TwoNodes, source: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = [task.id for task in load_tasks(source)]
    predictions = {id: Prediction(id, "m", patch) for id, patch in zip(ids, PATCHES, strict=True)}

    def graded(kind: str) -> list[Verdict]:
        found = grade_predictions(predictions, source, GradingOptions(kind), "run", tmp_path / kind)
        return [replace(verdict, seconds=0.0) for verdict in found]

    alone = graded("local")
    assert graded("ray") == alone and {v.outcome for v in alone} >= {Outcome.RESOLVED, Outcome.PATCH_FAILED}
    reports = [sorted(path.relative_to(tmp_path / kind) for path in (tmp_path / kind).rglob("*")) for kind in KINDS]
    assert reports[0] == reports[1]

    assert images.check(source, ids[:3], True, None, images.CheckPlace("ray")) == Exit.DONE
    assert json.loads(capsys.readouterr().out) == {id: [] for id in ids[:3]}


KINDS = ("local", "ray")


def test_a_node_that_is_killed_costs_no_verdict(
    ray_cluster: TwoNodes, source: str, tmp_path: Path, shared_home: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """What ran there is graded on the other node, and nobody but us says so: standard output is the command's."""
    tasks = {task.id: task for task in load_tasks(source)}
    slow = EVAL.replace("PYTHONPATH=. python", "sleep 3; PYTHONPATH=. python")
    keys = {id: replace(key, eval_script=slow) for id, key in load_answer_keys(source).items()}
    predictions = {id: Prediction(id, "m", GOLD) for id in tasks}
    with closing(ray_cluster.open()) as sandbox, ray_cluster.joined(tmp_path / "second") as second:
        wait_for(lambda: len(up(sandbox)) == 2)
        (head,) = (node.id for node in up(sandbox) if node.cores == 2)

        def kill_second(verdict: Verdict) -> None:
            second.signal(signal.SIGKILL, "raylet")

        grader = SandboxGrader(
            lambda id: environment_of(tasks[id], shared_home, "folders"), sandbox, Limits(seconds=300, memory_mb=512)
        )
        verdicts = evaluate(predictions, keys, grader, run_id="run", folder=tmp_path, workers=3, on_verdict=kill_second)
        wait_for(lambda: [node.id for node in up(sandbox)] == [head])
        failed = sum(bool(node.failure) for node in sandbox.cluster().nodes)
    assert [verdict.outcome for verdict in verdicts] == [Outcome.RESOLVED] * len(tasks) and failed
    assert "raylet" not in capfd.readouterr().out


def test_what_killed_processes_left_on_nodes_is_found(ray_cluster: TwoNodes) -> None:
    ended = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    mark = f"{ended.pid}-{process_start(ended.pid)}"
    ended.communicate()
    left = Path(tempfile.gettempdir()) / f"codemonkeys-scratch-{mark}-test"
    left.mkdir()
    try:
        found = {removal.name: removal for removal in cleaning.clean_nodes("local", dry_run=True)}
        assert found[str(left)].kind == "temporary folder" and left.is_dir()
        assert os.uname().nodename in found[str(left)].node
    finally:
        left.rmdir()


def test_what_was_sent_to_nodes_is_removed(ray_cluster: TwoNodes, source: str, tmp_path: Path) -> None:
    """On demand, and never what a run uses."""
    (task, *_) = load_tasks(source)
    environment = environment_of(task, tmp_path / "home", "folders")
    with ray_cluster.joined(tmp_path / "second"), closing(ray_cluster.open(share=False, patience=60)) as sandbox:
        wait_for(lambda: len(up(sandbox)) == 2)
        sandbox.ensure(environment)
        assert [found.kept for found in sent(environment.name)] == ["a run uses it"]
        sandbox.close()
        (left,) = sent(environment.name)
        assert (left.kept, bool(left.node)) == ("", True)
        assert sent(environment.name, dry_run=False) == [left] and sent(environment.name) == []


def sent(name: str, dry_run: bool = True) -> list[cleaning.Removal]:
    """What is told of an environment; every node has to answer."""
    found = list(cleaning.clean_nodes("local", dry_run, sent=True))
    assert not [removal for removal in found if removal.kind == "node"]
    return [removal for removal in found if removal.kind == "environment" and removal.name.startswith(f"{name} (")]

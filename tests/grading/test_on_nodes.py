"""Gradings on the nodes of a cluster: their containers, what is tried again elsewhere, and how many fit at a time."""

from __future__ import annotations

import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.errors import EnvironmentFailed
from codemonkeys.grading import containers, on_nodes
from codemonkeys.grading.containers import ContainerGrader, ContainerResult, ContainerScript, File, report_tests
from codemonkeys.grading.on_nodes import NodeContainers, run_here
from codemonkeys.grading.sandboxed import LIMITS, SANDBOX_ATTEMPTS, Job
from codemonkeys.grading.verdict import Outcome, Verdict
from codemonkeys.tasks.answer_key import AnswerKey
from codemonkeys.tasks.predictions import Prediction
from sandboxes.base import Capacity, Environment, Limits, SandboxError
from tests.fakes import AnsweringSandbox
from tests.runs.test_nodes import CLUSTER

KEY = AnswerKey("a", "r", "1", "", "", ("t",), (), "run", "own", "pass_and_fail", "image")
SCRIPT = ContainerScript(("true",), {"/patch": File(b"patch")}, ("/result",))


class Nodes(AnsweringSandbox):
    """A cluster, each call of which does the next of some things, or raises it; all crosses a wire."""

    def __init__(self, *happens: ContainerResult | SandboxError) -> None:
        super().__init__(lambda *_: pytest.fail("nothing runs beside containers"))
        self.happens, self.asked = list(happens), list[tuple[Any, ...]]()

    def cluster(self) -> Any:
        return CLUSTER

    def call(self, environment: Environment, limits: Limits, function: Callable[..., Any], *arguments: object) -> Any:
        self.asked.append((environment, limits, *pickle.loads(pickle.dumps((function, *arguments)))))
        happened = self.happens.pop(0)
        if isinstance(happened, SandboxError):
            raise happened
        return pickle.loads(pickle.dumps(happened))

    def call_all(self, function: Callable[..., Any], *arguments: object) -> Any:
        return {node.id: function(*arguments) for node in CLUSTER.nodes}

    def capacity(self) -> Capacity:
        return Capacity(8, 20_000, 4)


class Passing:
    """A way in which every prediction is right whose script came to an end."""

    needs_image = True

    def check(self, key: AnswerKey) -> None: ...

    def script(self, job: Job, seconds: float) -> ContainerScript:
        return SCRIPT

    def verdict(self, job: Job, done: ContainerResult) -> Verdict:
        return report_tests(job, {"t"} if done.results == {"/result": b"good"} else set())


def graded(folder: Path, nodes: Nodes, environment: Callable[[str], Environment] = Environment) -> Verdict:
    verdicts: list[Verdict] = []
    grader = ContainerGrader({"own": Passing()}, NodeContainers(environment, nodes), isolated=True)
    grader.grade([Job(Prediction("a", "m", "patch"), KEY, folder)], "run", folder, 1, verdicts.append)
    (verdict,) = verdicts
    return verdict


GOOD = ContainerResult("", "said", {"/result": b"good"})


def test_a_container_runs_on_a_node_that_has_the_image(tmp_path: Path) -> None:
    nodes = Nodes(GOOD)
    assert graded(tmp_path, nodes, lambda id: Environment(id, image="sha256:1")).resolved
    ((environment, limits, function, given, run, script, isolated),) = nodes.asked
    assert (environment.name, limits, function, given, isolated) == ("a", LIMITS, run_here, environment, True)
    assert script == SCRIPT and run.startswith("evaluate-run-")


def test_what_fails_with_a_node_or_its_engine_is_tried_again_and_never_held_against_the_patch(tmp_path: Path) -> None:
    lost, broken = SandboxError("node 10.0.0.1 was lost"), SandboxError("the Docker engine failed: no space")
    assert graded(tmp_path, Nodes(lost, broken, GOOD)).resolved
    verdict = graded(tmp_path, Nodes(broken, broken, lost))
    assert (verdict.outcome, verdict.detail) == (Outcome.INFRASTRUCTURE, "a: node 10.0.0.1 was lost")
    bad = graded(tmp_path, nodes := Nodes(ContainerResult("timed out", "", {})))
    assert (bad.outcome, bad.detail, nodes.happens) == (Outcome.LIMIT_REACHED, "timed out", []), "no retry of a verdict"


class Interrupted(list[Job]):
    """Jobs, amid which the user interrupts the grading once the first of them runs."""

    running = threading.Event()

    def __iter__(self) -> Iterator[Job]:
        yield self[0]
        assert self.running.wait(60)
        raise KeyboardInterrupt


def test_an_interrupt_removes_also_containers_that_are_made_after_it(tmp_path: Path) -> None:
    """Each attempt makes one, however often the others were removed; the tests in it may take half an hour."""
    jobs = Interrupted([Job(Prediction("a", "m", "patch"), KEY, tmp_path)])
    stopped, waited = threading.Semaphore(0), list[bool]()

    class Late(Nodes):
        def call(self, *arguments: object) -> Any:
            jobs.running.set()
            waited.append(stopped.acquire(timeout=60) and stopped.acquire(timeout=60))
            raise SandboxError("the container is gone")

        def call_all(self, function: Callable[..., Any], *arguments: object) -> Any:
            stopped.release()
            return {}

    grader = ContainerGrader({"own": Passing()}, NodeContainers(Environment, Late()), isolated=True)
    with pytest.raises(KeyboardInterrupt):
        grader.grade(jobs, "run", tmp_path, 1, lambda verdict: pytest.fail("what was interrupted has no verdict"))
    assert waited == [True] * SANDBOX_ATTEMPTS


def test_an_engine_that_fails_on_a_node_is_a_failure_of_the_node(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> Any:
        raise EnvironmentFailed("no Docker engine answers")

    monkeypatch.setattr(containers, "engine", fails)
    with pytest.raises(SandboxError, match="no Docker engine answers"):
        run_here(Environment("a", "sha256:1"), "run", SCRIPT, True)
    on_nodes.stop_here("run")

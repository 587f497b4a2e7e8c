"""A run over a cluster whose nodes and driver are killed: it comes to what a run on one machine comes to."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from sandboxes.cluster.connection import living
from tests.cli.command import Command, Done, codemonkeys
from tests.models.endpoint import Reply, Seen, serve
from tests.recorded import dry_run
from tests.runs.test_faults import Batch
from tests.sandboxes.cluster import JoinedNode, TwoNodes, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.xdist_group("ray runs")]

TASKS = 6


class SmallBatch(Batch):
    """Fewer tasks, solved by commands that can reach a cluster."""

    def __init__(self, folder: Path, home: Path, variables: dict[str, str]) -> None:
        super().__init__(folder, home)
        self.variables = variables
        for task in sorted((self.source / "tasks").iterdir())[TASKS:]:
            task.rename(folder / task.name)

    def __call__(self, *arguments: str) -> Done:
        return codemonkeys(*arguments, home=self.home, cwd=self.folder, **self.variables)

    def start(self, *arguments: str) -> Command:
        return Command(*arguments, home=self.home, cwd=self.folder, **self.variables)


def respond(seen: Seen) -> Reply:
    """As the fake model does, but that each task has scripts of its own, which take a moment."""
    reply, task = dry_run(seen), re.search(r"This is issue (tiny__greeting-\d+)", seen.text)
    assert task is not None
    own = f"__import__('time').sleep(0.5); '{task[1]}'; sys.exit(0 if"
    return replace(reply, body=reply.body.replace("sys.exit(0 if", own))


DONE = "SELECT count(*) FROM execution_steps WHERE state = 'done' AND NOT reused"
CALLS = "SELECT count(*) FROM call_steps WHERE state = 'done'"
TWICE = f"SELECT request_hash {DONE.removeprefix('SELECT count(*)')} GROUP BY request_hash HAVING count(*) > 1"


def test_nodes_and_drivers_are_killed(ray_cluster: TwoNodes, shared_home: Path, tmp_path: Path) -> None:
    """A node is killed with its agent, then the driver; it is resumed on the cluster, and again on one of its own."""
    batch = SmallBatch(tmp_path, shared_home, ray_cluster.variables())

    def executions() -> int:
        return int((batch.query("cluster", DONE) or [(0,)])[0][0])

    with serve(respond) as endpoint:
        assert batch(*batch.solve(endpoint.url, "plain", "--sandbox", "local")).code == 0
        total = batch.query("plain", DONE)[0][0]
        with ray_cluster.joined(tmp_path / "second") as second:
            command = batch.solve(endpoint.url, "cluster", "--sandbox", "ray", "--ray-address", ray_cluster.address)
            wait_for(lambda: len(living()) == 2)
            driver = batch.start(*command)
            wait_for(lambda: executions() > 0)
            second.signal(signal.SIGKILL)
            killed_at = executions()
            wait_for(lambda: executions() > killed_at or driver.poll() is not None)
            driver.kill()
            driver.communicate()
            assert driver.wait() == -signal.SIGKILL
        assert 0 < executions() < total
        with ray_cluster.joined(tmp_path / "third"):
            driver = batch.start("resume", "cluster")
            before = executions()
            wait_for(lambda: executions() > before)
            driver.kill()
            driver.communicate()
            driver.wait()
        done = batch("resume", "cluster", "--ray-address", "local")
        assert done.code == 0, done.err
        answered = len(endpoint.requests)
    assert batch.predictions("cluster") == batch.predictions("plain")
    assert batch.query("cluster", DONE) == batch.query("plain", DONE)
    assert batch.query("cluster", CALLS) == batch.query("plain", CALLS)
    assert batch.query("cluster", TWICE) == []
    lost = batch.query("cluster", "SELECT count(*) FROM call_steps WHERE state = 'lost'")[0][0]
    calls = batch.query("cluster", CALLS)[0][0]
    assert 2 * calls <= answered <= 2 * calls + lost
    assert len(batch.query("cluster", "SELECT DISTINCT node FROM execution_steps WHERE node <> ''")) >= 2


def test_a_node_hangs(ray_cluster: TwoNodes, shared_home: Path, tmp_path: Path) -> None:
    """Its agent and the scripts there stop in the middle: they run elsewhere, and `status` tells it, then and later."""
    batch = SmallBatch(tmp_path, shared_home, ray_cluster.variables())
    second_is_up = "SELECT 1 FROM nodes WHERE state = 'up' GROUP BY state HAVING count(*) = 2"
    both_are_up = threading.Event()
    stopped: list[int] = []

    def slowly(seen: Seen) -> Reply:
        if seen.number == FIRST:
            wait_for(lambda: batch.query("cluster", second_is_up))
            both_are_up.set()
        return respond(seen)

    def failed() -> list[tuple[str, str]]:
        done = batch("status", "cluster", "--json")
        nodes = json.loads(done.out)["cluster"]["nodes"] if done.code == 0 else []
        return [(node["state"], node["last_failure"]) for node in nodes if node["last_failure"]]

    with serve(respond) as endpoint:
        assert batch(*batch.solve(endpoint.url, "plain", "--sandbox", "local")).code == 0
    with (
        ExitStack() as last,
        serve(slowly) as endpoint,
        ray_cluster.joined(tmp_path / "second", 4, apart=True) as second,
    ):
        # Once the node is no more, what it had begun ends as soon as it can notice; nobody else would have it go on.
        last.callback(lambda: send(signal.SIGCONT, stopped))
        wait_for(lambda: len(living()) == 2)
        driver = batch.start(
            *batch.solve(endpoint.url, "cluster", "--sandbox", "ray", "--ray-address", ray_cluster.address)
        )
        try:
            # Some scripts run before any answer: that node must not be stopped while an answer waits for it.
            wait_for(lambda: (both_are_up.is_set() and scripts_of(second)) or driver.poll() is not None)
            stopped = second.tree("NodeAgent")
            assert stopped and driver.poll() is None
            send(signal.SIGSTOP, stopped)
            wait_for(lambda: batch.query("cluster", HAS_FAILED) or driver.poll() is not None)
            ((state, why),) = failed()
            assert state == "suspect" and "has not answered for" in why
        finally:
            _, said = driver.communicate(400)
        assert driver.wait() == 0, said
    wait_for(lambda: not [pid for pid in stopped if Path(f"/proc/{pid}").exists()])
    assert batch.predictions("cluster") == batch.predictions("plain")
    assert batch.query("cluster", DONE) == batch.query("plain", DONE)
    assert batch.query("cluster", TWICE) == []
    told = batch("status", "cluster").out
    assert re.search(r"[1-9]\d* executions? failed on a node; [1-9]\d* retried on another since", told)
    assert "has not answered for" in told


FIRST = 6
"""Answers of the model before both nodes are up."""
HAS_FAILED = "SELECT 1 FROM nodes WHERE state <> 'up' AND last_failure <> ''"


def send(number: int, pids: list[int]) -> None:
    """Send a signal to those processes that have not ended."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def scripts_of(node: JoinedNode) -> list[int]:
    """Processes of scripts that run there."""
    return [pid for pid in node.tree("NodeAgent") if cmdline(pid).endswith(b".py\0")]


def cmdline(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""

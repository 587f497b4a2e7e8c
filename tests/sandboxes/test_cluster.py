"""The `ray` sandboxes on nodes that come, hang and die."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sandboxes import Environment, Execution, Limits, Reason, SandboxError, Script
from sandboxes.cluster.driver import RaySandbox
from tests.sandboxes.cluster import JoinedNode, TwoNodes, up, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ray")]

LIMITS = Limits(seconds=300, memory_mb=512)
SLEEP = Script("sleep 100; echo slept", "sleep.sh", ("sh",))
SAY = Script("echo said", "say.sh", ("sh",))


@contextmanager
def in_background(run: Callable[[], Execution]) -> Iterator[list[Execution]]:
    """Its result, once the block has ended."""
    found: list[Execution] = []
    thread = threading.Thread(target=lambda: found.append(run()), daemon=True)
    thread.start()
    try:
        yield found
    finally:
        thread.join(300)
        assert not thread.is_alive(), "it does not end"


def running(sandbox: RaySandbox) -> int:
    return sum(node.running for node in sandbox.cluster().nodes)


def said(sandbox: RaySandbox, environment: Environment) -> bool:
    done = sandbox.run(environment, SAY, limits=LIMITS)
    return (done.reason, done.output) == (Reason.EXITED, "said\n")


@pytest.fixture
def sandbox(ray_cluster: TwoNodes) -> Iterator[RaySandbox]:
    """One that uses the files of this machine where they lie."""
    with closing(ray_cluster.open()) as sandbox:
        yield sandbox


@pytest.fixture
def second(ray_cluster: TwoNodes, tmp_path: Path) -> Iterator[JoinedNode]:
    with ray_cluster.joined(tmp_path / "second") as node:
        yield node


def test_the_agent_of_a_node_is_killed(sandbox: RaySandbox, local_environment: Environment) -> None:
    """What it had under way fails, naming the node, and another agent takes its place."""
    (node,) = sandbox.cluster().nodes
    pid = sandbox.call(local_environment, LIMITS, os.getpid)
    with in_background(lambda: sandbox.run(local_environment, SLEEP, limits=LIMITS)) as done:
        wait_for(lambda: running(sandbox))
        os.kill(pid, signal.SIGKILL)
    assert (done[0].reason, done[0].node) == (Reason.SANDBOX_FAILED, node.id)
    assert node.address in done[0].detail
    assert said(sandbox, local_environment)
    assert sandbox.call(local_environment, LIMITS, os.getpid) != pid
    assert node.address in up(sandbox)[0].failure


def test_a_node_joins_hangs_and_is_killed(
    sandbox: RaySandbox, second: JoinedNode, local_environment: Environment
) -> None:
    """Nothing is sent to a node that does not answer, until it does; what it had under way runs on another."""
    (head,) = (node.id for node in up(sandbox))
    wait_for(lambda: len(up(sandbox)) == 2)
    (other,) = (node.id for node in up(sandbox) if node.id != head)
    assert sandbox.capacity().executions == 3

    theirs = at_home_on(other, sandbox, local_environment)
    assert on(sandbox, other) in second.pids()

    second.signal(signal.SIGSTOP)
    done = sandbox.run(theirs, SAY, limits=LIMITS)
    assert (done.reason, done.node) == (Reason.SANDBOX_FAILED, other) and "has not answered for" in done.detail
    assert [node.id for node in up(sandbox)] == [head]
    assert sandbox.run(theirs, SAY, limits=LIMITS).node == head
    second.signal(signal.SIGCONT)
    wait_for(lambda: len(up(sandbox)) == 2)

    theirs = at_home_on(other, sandbox, local_environment)
    with in_background(lambda: sandbox.run(theirs, SLEEP, limits=LIMITS)) as results:
        wait_for(lambda: any(node.running for node in up(sandbox) if node.id == other))
        second.signal(signal.SIGKILL, "raylet")
    assert (results[0].reason, results[0].node) == (Reason.SANDBOX_FAILED, other)
    wait_for(lambda: sorted(node.state for node in sandbox.cluster().nodes) == ["gone", "up"])
    wait_for(lambda: not second.pids())
    assert sandbox.run(theirs, SAY, limits=LIMITS).node == head


def at_home_on(node: str, sandbox: RaySandbox, environment: Environment) -> Environment:
    """An environment that a node holds: new ones go to the node that has least to do."""
    for number in range(20):
        one = replace(environment, name=f"{environment.name} {number} on {node}")
        if sandbox.run(one, SAY, limits=LIMITS).node == node:
            return one
    raise AssertionError("all go elsewhere")


def on(sandbox: RaySandbox, node: str) -> int:
    """The process id of a node's agent."""
    found = sandbox.call_all(os.getpid)[node]
    assert isinstance(found, int)
    return found


def test_a_session_stays_on_its_node_and_moves_when_that_dies(
    sandbox: RaySandbox, second: JoinedNode, local_environment: Environment
) -> None:
    wait_for(lambda: len(up(sandbox)) == 2)
    session = sandbox.open(local_environment, LIMITS)
    nodes = {session.run(f"echo {number} >> log; cat log").node for number in range(4)}
    assert len(nodes) == 1
    agents = sandbox.call_all(os.getpid)
    pid = agents[nodes.pop()]
    assert isinstance(pid, int)
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: session.run("cat log").reason is not Reason.SANDBOX_FAILED)
    assert session.run("cat log").output == "0\n1\n2\n3\n"


def test_a_closed_sandbox_runs_nothing(ray_cluster: TwoNodes, local_environment: Environment) -> None:
    sandbox = ray_cluster.open()
    with in_background(lambda: sandbox.run(local_environment, SLEEP, limits=LIMITS)) as done:
        wait_for(lambda: running(sandbox))
        sandbox.close()
    after = sandbox.run(local_environment, SAY)
    assert {(found.reason, found.detail) for found in (done[0], after)} == {
        (Reason.SANDBOX_FAILED, "the sandbox was closed")
    }
    with pytest.raises(SandboxError, match="the sandbox was closed"):
        sandbox.ensure(local_environment)


def test_functions_run_on_nodes(sandbox: RaySandbox, local_environment: Environment) -> None:
    assert sandbox.call(local_environment, LIMITS, max, 1, 2) == 2
    with pytest.raises(ZeroDivisionError):
        sandbox.call(local_environment, LIMITS, divmod, 1, 0)
    assert list(sandbox.call_all(max, 1, 2).values()) == [2]


def test_the_cluster_is_told_no_command_line(sandbox: RaySandbox) -> None:
    """All of its machines could read it, and an address in it may hold a key."""
    from ray._private import state

    jobs: Any = state.jobs
    assert {job["Entrypoint"] for job in jobs() if not job["IsDead"]} == {"codemonkeys"}


def test_one_process_uses_one_cluster(sandbox: RaySandbox) -> None:
    with pytest.raises(SandboxError, match="close that sandbox first"):
        RaySandbox("tests", "local", address="192.0.2.1:6379")


def test_nodes_whose_sandbox_cannot_be_used_are_told(ray_cluster: TwoNodes, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SandboxError, match="no node of the Ray cluster can be used: .*No Docker engine answers"):
        RaySandbox("tests", "docker")

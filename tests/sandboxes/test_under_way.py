"""How one execution goes through a cluster, with nodes that only stand for agents."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import closing
from typing import Any, cast

import pytest

from sandboxes import Environment, Limits, Reason, SandboxError, Script
from sandboxes.cluster import members as module
from sandboxes.cluster.dispatcher import Dispatcher
from sandboxes.cluster.handle import Node, NodeLost
from sandboxes.cluster.homes import Homes
from sandboxes.cluster.members import Members
from sandboxes.cluster.messages import Done, Facts, NodeSettings, Order, SourceMissing, Unknown
from sandboxes.cluster.node_state import FAILURES, Request
from sandboxes.cluster.texts import Ref, Sent, hash_of
from sandboxes.cluster.under_way import MOST_SENT_AGAIN, UnderWay, Wanted
from sandboxes.sessions import Step
from tests.sandboxes.cluster import wait_for

ONE = Environment("one", image="one")
LONG = "echo " + "long " * 200
FACTS = Facts(cores=1, memory_mb=4096, disk_free_mb=100_000, version="1", probed=True)
FINE = Done(("exited", 0, None, "said", 1.0, ""))

Answer = Callable[[Order, dict[bytes, str]], Done | Unknown]


class Agent:
    """A node that answers as the tests say, in the thread that asks."""

    def __init__(self, answer: Answer) -> None:
        self.id, self.name, self._answer = "a", "machine a", answer
        self.sent, self.held = Sent(), 0
        self._holds = False

    def holds(self, name: str) -> bool:
        return self._holds

    def hold(self, name: str, source: object) -> float:
        self.held += 1
        self._holds = True
        return 1.0

    def forget(self, unknown: Unknown, name: str) -> None:
        for key in unknown.keys:
            self.sent.forget(key)
        self._holds = self._holds and not unknown.environment

    def carry_out(self, order: Order, texts: dict[bytes, str], layers: object) -> Future[Any]:
        answer: Future[Any] = Future()
        try:
            answer.set_result(self._answer(order, texts))
        except SandboxError as error:
            answer.set_exception(error)
        return answer

    def lose(self, why: str) -> None:
        """Nothing is under way."""


def carried_out(agent: Agent, script: str = "echo said", members: Members | None = None) -> Step:
    nodes = members or Members(NodeSettings("tests", "local"), lambda: None)
    if members is None:
        nodes.added(cast(Node, agent), FACTS)
    with closing(Dispatcher(lambda: None)) as dispatcher:
        wanted = Wanted(ONE, Script(script, "a.sh", ("sh",)), None, Limits(), None)
        step = UnderWay(wanted, nodes, Homes(), dispatcher).begin().result(30)
    (view,) = nodes.views()
    assert view.running == 0  # its place was given back
    return step


def test_no_thread_waits_for_an_execution() -> None:
    begun: list[Future[Any]] = []
    before = set(threading.enumerate())  # Of a cluster that other tests in this process share, for instance.

    class Later(Agent):
        def carry_out(self, order: Order, texts: dict[bytes, str], layers: object) -> Future[Any]:
            begun.append(Future())
            return begun[-1]

    nodes = Members(NodeSettings("tests", "local"), lambda: None)
    nodes.added(cast(Node, Later(lambda *_: FINE)), Facts(100, 100 * 4096, 100_000, "1", probed=True))
    with closing(Dispatcher(lambda: None)) as dispatcher:
        wanted = Wanted(ONE, Script("echo said"), None, Limits(), None)
        results = [UnderWay(wanted, nodes, Homes(), dispatcher).begin() for _ in range(50)]
        wait_for(lambda: len(begun) == 50 or results[0].done(), 60)
        assert not results[0].done()
        ours = [thread.name for thread in set(threading.enumerate()) - before]
        assert ours == ["codemonkeys-executions"]
        for answer in begun:
            answer.set_result(FINE)
        assert {result.result(30).execution.output for result in results} == {"said"}


def test_a_text_is_sent_again_if_the_node_has_it_no_longer() -> None:
    known: dict[bytes, str] = {}

    def answer(order: Order, texts: dict[bytes, str]) -> Done | Unknown:
        known.update(texts)
        assert isinstance(order.script, Ref)
        return FINE if order.script.hash in known else Unknown((order.script.hash,))

    agent = Agent(answer)
    agent.sent.add(hash_of(LONG))
    assert carried_out(agent, LONG).execution.output == "said"
    assert known == {hash_of(LONG): LONG}


def test_an_environment_is_brought_again_if_the_node_has_it_no_longer() -> None:
    agent = Agent(lambda *_: FINE if agent.held > 1 else Unknown((), environment=True))
    assert carried_out(agent).execution.output == "said"
    assert agent.held == 2


def test_a_node_that_keeps_nothing_is_given_up() -> None:
    asked: list[Order] = []

    def answer(order: Order, texts: dict[bytes, str]) -> Unknown:
        asked.append(order)
        return Unknown((hash_of(LONG),))

    execution = carried_out(Agent(answer), LONG).execution
    assert (execution.reason, execution.node) == (Reason.SANDBOX_FAILED, "a")
    assert execution.detail == "node machine a does not keep what it is sent"
    assert len(asked) == MOST_SENT_AGAIN


def test_what_a_lost_node_had_under_way_failed_there() -> None:
    def lost(*_: object) -> Done:
        raise NodeLost("node machine a was lost")

    execution = carried_out(Agent(lost)).execution
    assert (execution.reason, execution.detail) == (Reason.SANDBOX_FAILED, "node machine a was lost")
    assert execution.node == "a"


def test_an_environment_that_does_not_come_is_a_failure() -> None:
    class Full(Agent):
        def hold(self, name: str, source: object) -> float:
            raise SandboxError("its disk is full")

    execution = carried_out(Full(lambda *_: FINE)).execution
    assert (execution.reason, execution.detail, execution.node) == (Reason.SANDBOX_FAILED, "its disk is full", "")


def test_files_that_the_driver_cannot_read_are_no_failure_of_a_node() -> None:
    class Unsent(Agent):
        def hold(self, name: str, source: object) -> float:
            raise SourceMissing("its folders are gone")

    nodes = Members(NodeSettings("tests", "local"), lambda: None)
    nodes.added(cast(Node, Unsent(lambda *_: FINE)), FACTS)
    for _ in range(2 * FAILURES):
        execution = carried_out(Agent(lambda *_: FINE), members=nodes).execution
        assert (execution.reason, execution.detail) == (Reason.SANDBOX_FAILED, "its folders are gone")
    assert [node.state for node in nodes.views()] == ["up"]


def test_what_no_node_can_take_is_refused_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.0)
    nodes = Members(NodeSettings("tests", "local"), lambda: None)
    places = [nodes.ask(Request(name, 1, 512))[1] for name in ("one", "other")]
    nodes.give_up_stuck()
    for place in places:
        with pytest.raises(SandboxError, match="no node of the cluster is up: there is no node with free cores"):
            place.result(30)
    nodes.added(cast(Node, Agent(lambda *_: FINE)), FACTS)
    assert carried_out(Agent(lambda *_: FINE), members=nodes).execution.output == "said"


def test_what_waits_for_a_place_when_the_cluster_is_closed_ends() -> None:
    nodes = Members(NodeSettings("tests", "local"), lambda: None)
    with closing(Dispatcher(lambda: None)) as dispatcher:
        under_way = UnderWay(Wanted(ONE, Script("echo said"), None, Limits(), None), nodes, Homes(), dispatcher)
        result = under_way.begin()
        nodes.close()
        assert result.result(30).execution.detail == "the sandbox was closed"


def test_a_dispatcher_loses_nothing_that_it_is_given_after_its_end() -> None:
    done: list[int] = []
    dispatcher = Dispatcher(lambda: None)
    for number in range(100):
        dispatcher.soon(lambda number=number: done.append(number))  # type: ignore[misc]
    dispatcher.close()
    dispatcher._thread.join(60)
    dispatcher.aside(lambda: None, lambda failed: done.append(100))
    dispatcher.soon(lambda: done.append(101))
    wait_for(lambda: len(done) == 102, 60)
    assert sorted(done) == list(range(102))


def test_those_that_look_are_called_while_there_is_much_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandboxes.cluster.dispatcher.LOOK", 0.0)
    looked = threading.Event()
    with closing(Dispatcher(looked.set)) as dispatcher:
        dispatcher.soon(lambda: None)
        assert looked.wait(30)

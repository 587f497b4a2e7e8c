"""What the driver makes of nodes that fail, with nodes that only stand for agents."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from threading import Event, Lock, Thread
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sandboxes import Environment, SandboxError
from sandboxes.cluster import driver
from sandboxes.cluster.driver import RaySandbox
from sandboxes.cluster.handle import Found, Node, NodeLost, why_lost
from sandboxes.cluster.members import Members
from sandboxes.cluster.messages import Facts, NodeSettings, SourceMissing
from sandboxes.cluster.node_state import FAILURES, Condition, Request
from sandboxes.cluster.shipping import source_of
from sandboxes.cluster.watch import Watch
from tests.sandboxes.cluster import wait_for

ONE, OTHER = Environment("one", image="one"), Environment("other", image="other")
FACTS = Facts(cores=1, memory_mb=4096, disk_free_mb=100_000, version="1", probed=True)


class Agent:
    """A node whose agent does what the tests say."""

    def __init__(self, id: str, hold: Callable[[str], float] = lambda _: 1.0) -> None:
        self.id, self.name, self._hold = id, f"machine {id}", hold
        self.dead, self.answers = "", True
        self.asked: list[str] = []
        self.facts = FACTS

    def hold(self, name: str, source: object) -> float:
        return self._hold(name)

    def call(self, method: str) -> Future[Any]:
        self.asked.append(method)
        answer: Future[Any] = Future()
        answer.set_result(replace(self.facts, probed=method != "facts"))
        return answer

    def lose(self, why: str, keep: object = None) -> None:
        self.answers = False

    def find(self) -> None:
        self.answers = True

    def end(self) -> str:
        return f"the end of {self.id}"

    def kill(self) -> None:
        """There is no agent."""


def members(*agents: Agent) -> Members:
    found = Members(NodeSettings("tests", "local"), lambda: None)
    for agent in agents:
        found.added(cast(Node, agent), FACTS)
    return found


def use(cluster: Members, environment: Environment) -> str:
    with cluster.place(environment, 1, 512) as place:
        return place.node.id


def test_a_node_that_has_no_room_for_files_gets_them_once_it_has() -> None:
    """Errors that are not the sandbox's own, such as those of a full disk, are failures of the node like any other."""
    full = [OSError(28, "No space left on device")]

    def hold(_: str) -> float:
        if full:
            raise full.pop()
        return 1.0

    cluster = members(Agent("a", hold))
    with pytest.raises(SandboxError, match="one did not come to node machine a: .*No space left"):
        use(cluster, ONE)
    assert use(cluster, ONE) == "a"


def test_files_that_the_driver_cannot_read_are_no_failure_of_a_node() -> None:
    """A task whose folders are gone must not take the nodes from all others."""

    def hold(name: str) -> float:
        if name == "one":
            source_of(Environment("one", folders=(("/testbed", Path("/nonexistent")),)))
        return 1.0

    cluster = members(Agent("a", hold))
    for _ in range(2 * FAILURES):
        with pytest.raises(SourceMissing, match="one: .*nonexistent.*prepare it again"):
            use(cluster, ONE)
    assert [(node.state, node.environments) for node in cluster.views()] == [("up", 0)]
    assert use(cluster, OTHER) == "a"


def test_a_node_without_room_for_environments_says_so() -> None:
    """It would idle without a word otherwise."""
    agent = Agent("a")
    cluster = members(agent)
    assert [node.failure for node in cluster.views()] == [""]
    cluster.answered(cast(Node, agent), replace(FACTS, disk_free_mb=4000))
    (node,) = cluster.views()
    assert node.state == "up" and "no environments, as less than 4 GiB of disk are free" in node.failure


def test_what_waits_for_disk_begins_once_a_node_says_that_it_has_some() -> None:
    """Nothing else may happen on a cluster whose nodes were full: it waited for ever."""
    agent = Agent("a")
    cluster = members()
    cluster.added(cast(Node, agent), replace(FACTS, disk_free_mb=500))
    _, place = cluster.ask(Request("one", 1, 512))
    cluster.answered(cast(Node, agent), replace(FACTS, disk_free_mb=600))
    assert not place.done()
    cluster.answered(cast(Node, agent), FACTS)
    assert place.done() and place.result().node == "a"


def test_keys_that_a_node_has_are_told() -> None:
    """They came from the shell that started it: no script sees them, but whoever reaches the node may."""
    cluster = Members(NodeSettings("tests", "local"), lambda: None)
    cluster.added(cast(Node, Agent("a")), replace(FACTS, keys=("OPENAI_API_KEY",)))
    assert "key OPENAI_API_KEY, which no node needs" in cluster.views()[0].failure
    assert use(cluster, ONE) == "a"


def test_the_last_words_of_an_agent_say_nothing_of_the_next() -> None:
    first, second = Agent("a"), Agent("a")
    cluster = members(first)
    cluster.removed(cast(Node, first), "it died")
    cluster.added(cast(Node, second), FACTS)
    cluster._lost(cast(Node, first), "one of its calls has failed late", True)
    assert use(cluster, ONE) == "a"


def test_what_ends_after_the_sandbox_was_closed_starts_nothing() -> None:
    cluster = members(Agent("a"))
    with cluster.place(ONE, 1, 512):
        cluster._placement.submit(cluster._placement._requests[1])  # waits behind it
        cluster.close()


def test_closing_waits_for_nodes_that_answer_though_they_failed_too_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """They have something to end, such as containers; one that does not answer would be waited for in vain."""
    waited: list[object] = []
    monkeypatch.setattr(driver, "_wait", waited.extend)
    well, failing, silent = Agent("well"), Agent("failing"), Agent("silent")
    sandbox = object.__new__(RaySandbox)
    sandbox._members = cluster = members(well, failing, silent)
    cluster.suspect(cast(Node, failing), "its engine is away")
    silent.lose("it does not answer")
    cluster.suspect(cast(Node, silent), "it does not answer")
    sandbox._closed = False
    vars(sandbox).update(
        {part: SimpleNamespace(close=lambda: None) for part in ("_watch", "_dispatcher", "_connection")}
    )
    sandbox.close()
    assert waited == ["the end of well", "the end of failing"]


class Listening(Members):
    """Nodes with agents of the tests."""

    def __init__(self, *agents: Agent) -> None:
        super().__init__(NodeSettings("tests", "local"), lambda: None)
        self._agents = {agent.id: agent for agent in agents}

    def start(self, found: Found) -> Node:
        return cast(Node, self._agents[found.id])


def test_a_node_that_is_lost_meanwhile_keeps_no_other_from_its_answer() -> None:
    class Lost(Agent):
        def begin(self, method: str, *arguments: object) -> Future[Any]:
            raise NodeLost("it was lost")

    class Answering(Agent):
        def begin(self, method: str, *arguments: object) -> Future[Any]:
            answer: Future[Any] = Future()
            answer.set_result(3)
            return answer

    sandbox = object.__new__(RaySandbox)
    sandbox._members = members(Lost("a"), Answering("b"))
    answers = sandbox.call_all(max, 3, 2)
    assert isinstance(answers["a"], NodeLost) and answers["b"] == 3


def test_a_call_that_cannot_be_sent_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def remote(self, *arguments: object) -> None:
            raise TypeError("it cannot be pickled")

    monkeypatch.setattr(Node, "__init__", lambda node: node.__dict__.update(_lock=Lock(), _pending=set(), _lost=""))
    node: Any = Node()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        node._follow(Refusing(), ())
    assert not node._pending


def watch(cluster: Listening, check: Callable[[Facts], str] = lambda _: "") -> Watch:
    """It has looked twice: once to begin, once to hear what nodes say."""
    found = [Found(id, agent.name, 1, 4096) for id, agent in cluster._agents.items()]
    watching = Watch(cluster, lambda: found, check, every=600, patience=600)
    for _ in range(2):
        watching._look()
    return watching


def test_a_head_that_hangs_keeps_neither_heartbeats_nor_closing_waiting() -> None:
    """Ray waits for ever for the list of nodes where it is stopped, or its machine is."""
    agent, hangs, released = Agent("a"), Event(), Event()

    def find() -> list[Found]:
        if hangs.is_set():
            released.wait(300)
        return [Found("a", agent.name, 1, 4096)]

    watching = Watch(Listening(agent), find, lambda _: "", every=0.01, patience=600)
    watching.start()
    assert watching.settled.wait(60)
    hangs.set()
    try:
        before = len(agent.asked)
        wait_for(lambda: len(agent.asked) > before + 3, 60)
        closing = Thread(target=watching.close, daemon=True)
        closing.start()
        closing.join(60)
        assert not closing.is_alive()
    finally:
        released.set()


def test_a_node_that_stays_unwell_is_asked_now_and_then() -> None:
    """Not again as soon as it has answered; and what is wrong with it is told."""
    agent = Agent("a")
    cluster = Listening(agent)
    watching = watch(cluster)
    agent.facts = replace(FACTS, trouble="its engine is away")
    cluster._set(cast(Node, agent), Condition.SUSPECT, "it failed")
    watching._watched["a"].asked -= 700
    for _ in range(20):
        watching._look()
    assert agent.asked == ["start", "facts", "probe"]
    watching._watched["a"].asked -= 700
    for _ in range(20):
        watching._look()
    assert agent.asked == ["start", "facts", "probe", "probe"]
    assert [(node.state, node.failure) for node in cluster.views()] == [("suspect", "its engine is away")]
    agent.facts = FACTS
    watching._watched["a"].asked -= 700
    for _ in range(20):
        watching._look()
    assert [node.state for node in cluster.views()] == ["up"]


def test_a_node_that_cannot_be_used_is_seen() -> None:
    """A run that goes on without it would not tell otherwise."""
    cluster = Listening(Agent("a"), Agent("b"))
    cluster._agents["b"].facts = replace(FACTS, version="2")
    watch(cluster, lambda facts: "" if facts.version == "1" else "it has another version")
    assert [(node.id, node.state, node.failure) for node in cluster.views()] == [
        ("a", "up", ""),
        ("b", "gone", "it has another version"),
    ]


def test_what_was_wrong_with_a_node_is_not_told_of_another_on_that_machine() -> None:
    first, second = Agent("a"), Agent("b")
    second.name = first.name
    cluster = members(first, second)
    cluster.removed(cast(Node, first), "it died")
    assert [node.failure for node in cluster.views()] == ["it died", ""]


def test_an_agent_that_cannot_begin_says_why() -> None:
    begun = "The actor died because of an error raised in its creation task, ray::NodeAgent.__init__() (pid=1)"
    missing = RuntimeError(
        f"{begun}\nRuntimeError: it failed to import\nModuleNotFoundError: No module named 'sandboxes'\n"
    )
    assert why_lost(missing) == "ModuleNotFoundError: No module named 'sandboxes'; install codemonkeys[ray] there"
    assert why_lost(RuntimeError("The node has died.\nat some time")) == "The node has died."
    assert why_lost(RuntimeError()) == "RuntimeError"

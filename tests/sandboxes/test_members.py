"""What the driver makes of nodes that fail, with nodes that only stand for agents."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from sandboxes import Environment, SandboxError
from sandboxes.cluster.handle import Node
from sandboxes.cluster.members import Members
from sandboxes.cluster.messages import Facts, NodeSettings

ONE, OTHER = Environment("one", image="one"), Environment("other", image="other")
FACTS = Facts(cores=1, memory_mb=4096, disk_free_mb=100_000, version="1", probed=True)


class Agent:
    """A node whose agent does what the tests say."""

    def __init__(self, id: str, hold: Callable[[str], float] = lambda _: 1.0) -> None:
        self.id, self.name, self._hold = id, f"machine {id}", hold

    def hold(self, name: str, source: object) -> float:
        return self._hold(name)

    def lose(self, why: str) -> None:
        """Nothing is under way."""


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

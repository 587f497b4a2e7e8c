"""Which node a request goes to: first the nodes that hold its environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Condition(StrEnum):
    """How a node is."""

    UP = "up"
    SUSPECT = "suspect"
    """It does not answer; nothing is sent to it until it does."""
    GONE = "gone"


@dataclass
class NodeState:
    """What placement knows of a node."""

    id: str
    cores: int
    """Executions at a time."""
    memory_mb: int
    disk_free_mb: int
    held: set[str] = field(default_factory=set[str])
    """Keys of the environments that are on the node."""
    executions: float = 0
    """In flight."""
    taken_mb: int = 0
    """Memory of those in flight, each counted at its limit."""
    condition: Condition = Condition.UP

    def fits(self, cpus: float, memory_mb: int) -> bool:
        """Whether a request can begin now; one always can."""
        return self.condition is Condition.UP and (
            not self.executions
            or (self.executions + cpus <= self.cores and self.taken_mb + memory_mb <= self.memory_mb)
        )


class Placement:
    """Chooses nodes. Not thread-safe."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeState] = {}

    def choose(self, environment: str, cpus: float, memory_mb: int) -> str | None:
        """The node that a request goes to now; None: wait until something ends or a node comes."""
        fitting = [node for node in self.nodes.values() if node.fits(cpus, memory_mb)]
        if not fitting:
            return None
        return min(fitting, key=lambda node: (environment not in node.held, node.executions / node.cores, node.id)).id

    def begin(self, node: str, cpus: float, memory_mb: int) -> None:
        """Count a request that goes to a node."""
        self.nodes[node].executions += cpus
        self.nodes[node].taken_mb += memory_mb

    def end(self, node: str, cpus: float, memory_mb: int) -> None:
        """Count it no more; the node may be gone."""
        if node in self.nodes:
            self.nodes[node].executions -= cpus
            self.nodes[node].taken_mb -= memory_mb

    def node_added(self, node: NodeState) -> None:
        """Take a node into account."""
        self.nodes[node.id] = node

    def node_lost(self, node: str) -> None:
        """Forget a node."""
        self.nodes.pop(node, None)

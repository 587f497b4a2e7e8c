"""The nodes of a cluster as the driver knows them, and places on them. Everything here is thread-safe."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from sandboxes import inside
from sandboxes.base import Capacity, Environment, SandboxError
from sandboxes.cluster.handle import Found, Node
from sandboxes.cluster.messages import Facts, NodeSettings, SourceMissing
from sandboxes.cluster.node_state import NO_ROOM, Condition, NodeState, Request, Start
from sandboxes.cluster.placement import Placement
from sandboxes.cluster.shipping import source_of
from sandboxes.nodes import Node as NodeView

PATIENCE = 120.0
"""Seconds to wait for a node where none can take a request: one may come, or come back."""


def _warning(keys: tuple[str, ...]) -> str:
    return f"its processes have the key {', '.join(keys)}, which no node needs: start it from a shell that has none"


def is_nodes_fault(error: Exception) -> bool:
    """Whether what was not carried out counts against the node that it was given to."""
    return isinstance(error, SandboxError) and not isinstance(error, SourceMissing)


class Place:
    """A place on a node, for one request."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.failed = False
        """To be set if the node was at fault."""


class Members:
    """The nodes, and who may use them."""

    def __init__(self, settings: NodeSettings, trouble: Callable[[], None]) -> None:
        """`trouble`: called when a node is found to be lost, or fails, in any thread."""
        self._settings, self._tell_trouble = settings, trouble
        self._lock = threading.Lock()
        self._placement = Placement()
        self._nodes: dict[str, Node] = {}
        self._waiting: dict[int, Future[Start]] = {}
        self._stuck: dict[int, float] = {}
        """Since when requests that wait could not start at all."""
        self._reasons: dict[str, tuple[str, str]] = {}
        """Names of nodes, and what was last wrong with them, by id."""
        self._refused: dict[str, Found] = {}
        self._capacity = Capacity(0, 0, 0)
        self.closed = False
        """Whether nothing is begun any more."""

    @contextmanager
    def place(self, environment: Environment, cores: float, memory_mb: int, home: str | None = None) -> Iterator[Place]:
        """A place on a node that holds an environment, once there is one. `home`: the node where a session began.

        Raises SandboxError if there is none, or the environment cannot be brought there.
        """
        ticket, waiting = self.ask(Request(environment.name, cores, memory_mb, home))
        start = waiting.result()
        place, begun, seconds = Place(self._nodes[start.node]), time.monotonic(), None
        try:
            self.bring(environment, start, place.node)
            begun = time.monotonic()
            yield place
            seconds = time.monotonic() - begun
        except SandboxError as error:
            place.failed = is_nodes_fault(error)
            raise
        finally:
            self.give_back(ticket, seconds, place.failed)

    def ask(self, request: Request) -> tuple[int, Future[Start]]:
        """Ask for a place: its ticket, and where it is, once there is one, or SandboxError why there is none.

        Callbacks of the future are called under a lock: they must not wait, nor call anything here.

        Raises SandboxError.
        """
        waiting: Future[Start] = Future()
        with self._lock:
            if self.closed:
                raise SandboxError("the sandbox was closed")
            ticket, starts = self._placement.submit(request)
            self._waiting[ticket] = waiting
            self._wake(starts)
        return ticket, waiting

    def give_back(self, ticket: int, seconds: float | None, failed: bool) -> None:
        """Give a place back. `seconds`: how long it ran, if it did; `failed`: the node was at fault."""
        with self._lock:
            counts = failed and not self.closed
            tell = self._changed if counts else self._wake  # a node that fails too often gets nothing more
            tell(self._placement.end(ticket, seconds, failed=counts))
        if failed:
            self._tell_trouble()

    def give_up_stuck(self) -> None:
        """Refuse what has long waited for a node that could take it at all."""
        refused: list[tuple[Future[Start], str]] = []
        with self._lock:
            now = time.monotonic()
            reasons = {ticket: why for ticket in self._waiting if (why := self._placement.stuck(ticket)) is not None}
            self._stuck = {ticket: self._stuck.get(ticket, now) for ticket in reasons}
            for ticket, since in self._stuck.items():
                if now - since >= PATIENCE and (waiting := self._waiting.pop(ticket, None)) is not None:
                    refused.append((waiting, reasons[ticket]))
                    self._wake(self._placement.end(ticket))
        for waiting, why in refused:
            waiting.set_exception(SandboxError(f"{why}: {self.reasons()}"))

    def node(self, id: str) -> Node:
        """The node that has last been known by an id."""
        return self._nodes[id]

    def bring(self, environment: Environment, start: Start, node: Node) -> None:
        """Have an environment on the node where a place is. Raises SandboxError."""
        begun = time.monotonic()
        try:
            for name in start.evict:
                node.evict(name)
            size_mb = node.hold(environment.name, lambda: source_of(environment))
        except SandboxError:
            raise
        except Exception as error:  # such as a full disk: the node would count as one that soon has it
            why = inside.unforeseen(error).detail
            raise SandboxError(f"environment {environment.name} did not come to node {node.name}: {why}") from error
        if not start.fetch:
            return
        with self._lock:
            self._wake(self._placement.arrived(start.node, environment.name, size_mb, time.monotonic() - begun))

    def _wake(self, starts: Iterable[Start]) -> None:
        for start in starts:
            if waiting := self._waiting.pop(start.ticket, None):  # else the sandbox was closed
                waiting.set_result(start)

    def _changed(self, starts: Iterable[Start]) -> None:
        """A node has come, or its condition has changed: what can be taken is counted anew."""
        self._wake(starts)
        up = [node for node in self._placement.nodes.values() if node.up]
        cores = [int(node.cores) for node in up]
        self._capacity = Capacity(sum(cores), sum(node.memory_mb for node in up), max(cores, default=0))

    def capacity(self) -> Capacity:
        """What all nodes that are up take at a time."""
        return self._capacity

    def up(self) -> list[Node]:
        """The nodes that are up."""
        with self._lock:
            return [node for id, node in self._nodes.items() if self._placement.nodes[id].up]

    def answering(self) -> list[Node]:
        """The nodes that have not been given up; some may get nothing new, as they failed too often."""
        with self._lock:
            return [node for node in self._nodes.values() if node.answers]

    def missing(self, node: Node, environment: Environment) -> None:
        """The node does not have an environment that it had: bring it there again. Raises SandboxError."""
        node.hold(environment.name, lambda: source_of(environment))

    def views(self) -> tuple[NodeView, ...]:
        """All nodes as they are now, also those that have gone or are not used."""
        with self._lock:
            used = [self._view(self._nodes[id], state) for id, state in self._placement.nodes.items()]
            refused = [self._unused(node) for id, node in self._refused.items() if id not in self._nodes]
        return (*used, *refused)

    def _view(self, node: Node, state: NodeState) -> NodeView:
        return NodeView(
            id=node.id,
            address=node.name,
            sandbox=self._settings.underneath,
            state=state.condition.value,
            cores=state.cores,
            memory_mb=state.memory_mb,
            running=sum(request.cores > 0 for request in state.running.values()),
            environments=len(state.environments),
            disk_free_mb=int(state.disk_free_mb),
            failure=self._reasons.get(node.id, ("", ""))[1] or (NO_ROOM if state.is_too_full else ""),
        )

    def _unused(self, node: Found) -> NodeView:
        why = self._reasons[node.id][1]
        return NodeView(node.id, node.name, self._settings.underneath, "gone", node.cores, node.memory_mb, failure=why)

    def reasons(self) -> str:
        """Why nodes cannot be used, as far as known."""
        with self._lock:
            told = dict.fromkeys(f"{name}: {why}" for name, why in self._reasons.values())
        return "; ".join(told) or "there is no node with free cores"

    def close(self) -> list[Node]:
        """Refuse everything from now on; returns the nodes."""
        with self._lock:
            self.closed = True
            waiting, self._waiting = self._waiting, {}
            nodes = list(self._nodes.values())
        for future in waiting.values():
            future.set_exception(SandboxError("the sandbox was closed"))
        for node in nodes:
            node.lose("the sandbox was closed")
        return nodes

    def start(self, found: Found) -> Node:
        """Start an agent on a node."""
        return Node(found, self._settings, self._lost)

    def _lost(self, node: Node, why: str, dead: bool) -> None:
        self._set(node, Condition.GONE if dead else Condition.SUSPECT, why)
        self._tell_trouble()

    def added(self, node: Node, facts: Facts) -> None:
        """The agent of a node has started."""
        with self._lock:
            self._nodes[node.id] = node
            state = NodeState(node.id, facts.cores, facts.memory_mb, facts.disk_free_mb, dict(facts.held))
            self._changed(self._placement.add(state))
            if facts.keys:
                self._reasons[node.id] = node.name, _warning(facts.keys)

    def answered(self, node: Node, facts: Facts) -> None:
        """It answers, and was well when it was last asked whether it is."""
        with self._lock:
            state = self._placement.nodes[node.id]
            self._wake(self._placement.measured(node.id, facts.disk_free_mb))
            if facts.trouble:
                self._reasons[node.id] = node.name, facts.trouble
            if state.condition is Condition.SUSPECT and facts.probed and not facts.trouble:
                self._changed(self._placement.set_condition(node.id, Condition.UP))

    def is_suspect(self, node: Node) -> bool:
        """Whether nothing new is sent to it."""
        with self._lock:
            return self._placement.nodes[node.id].condition is Condition.SUSPECT

    def suspect(self, node: Node, why: str) -> None:
        """It does not answer, or is not well."""
        self._set(node, Condition.SUSPECT, why)

    def removed(self, node: Node, why: str) -> None:
        """It is no more."""
        node.lose(why)
        self._set(node, Condition.GONE, why)

    def refused(self, found: Found, why: str) -> None:
        """It cannot be used."""
        with self._lock:
            self._reasons[found.id], self._refused[found.id] = (found.name, why), found

    def _set(self, node: Node, condition: Condition, why: str) -> None:
        with self._lock:
            self._reasons[node.id] = node.name, why
            if self._nodes.get(node.id) is node:  # else another agent has taken its place, which may be well
                self._changed(self._placement.set_condition(node.id, condition))

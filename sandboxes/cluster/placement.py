"""Which node of a cluster an execution goes to.

A state machine without clock, threads or network: each method tells of one event and returns what may start because of
it. The caller holds a lock around every call. Deterministic: equal events in equal order give equal placements.

An execution goes where its environment is. Another node gets a copy only while those that hold it are saturated and the
wait there would be longer than the move. On a node, what waits longest goes first, and nothing passes it.
"""

from __future__ import annotations

import itertools
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sandboxes.cluster.estimates import Estimates
from sandboxes.cluster.node_state import FAILURES, Condition, NodeState, Request

MOVES = 2
"""Environments that a node receives at a time."""


class Start(NamedTuple):
    """A request that may start."""

    ticket: int
    node: str
    fetch: bool = False
    """Bring the environment there first, then tell so by `arrived`; if that fails, by `end`."""
    evict: tuple[str, ...] = ()
    """Environments to remove before, for room; they count as removed."""


class _Queue(NamedTuple):
    """Equal requests that wait, in the order in which they came."""

    request: Request
    waiting: deque[int]


class Placement:
    """The nodes of a cluster, and the requests that run or wait there."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeState] = {}
        """All that ever were, in the order in which they came."""
        self.estimates = Estimates()
        self._requests: dict[int, Request] = {}
        self._where: dict[int, NodeState] = {}
        self._queues: dict[Request, _Queue] = {}
        self._places: dict[str, dict[str, NodeState]] = {}
        """Nodes that hold an environment, or to which it is on its way."""
        self._tickets = itertools.count(1)

    def submit(self, request: Request) -> tuple[int, list[Start]]:
        """Ask for a place. Returns the request's ticket, and what may start: this request, or nothing yet."""
        ticket = next(self._tickets)
        self._requests[ticket] = request
        queue = self._queues.setdefault(request, _Queue(request, deque()))
        queue.waiting.append(ticket)
        found = self._fill(self._of(request.environment))
        return ticket, found + self._spread([queue])

    def end(self, ticket: int, seconds: float | None = None, *, failed: bool = False) -> list[Start]:
        """Give a place back, or stop waiting for one.

        `seconds`: how long it ran, if it did; `failed`: the node could not run it, or not bring its environment: other
        nodes are then tried first.
        """
        request = self._requests.pop(ticket, None)
        if request is None:
            return []
        if (node := self._where.pop(ticket, None)) is None:
            queue = self._queues[request]
            queue.waiting.remove(ticket)
            self._tidy(queue)
            return self._settle(self.nodes.values())
        node.end(ticket)
        if not_brought := (failed or seconds is None) and request.environment in node.fetching:
            self._drop(node, request.environment)
        if failed:
            node.fail(request.environment)
            if node.up and node.failures >= FAILURES:
                return self.set_condition(node.id, Condition.SUSPECT)
            return self._settle(self.nodes.values())
        if seconds is not None and request.cores:
            node.succeed()
            self.estimates.executed(request.environment, seconds)
        return self._settle(self.nodes.values() if not_brought else [node])

    def stuck(self, ticket: int) -> str | None:
        """Why a request cannot start however long it waits; None: it can, or has."""
        if ticket in self._where or ticket not in self._requests:
            return None
        environment = self._requests[ticket].environment
        up = [node for node in self.nodes.values() if node.up]
        if not up:
            return "no node of the cluster is up"
        if self._capable(environment):
            return None
        free = ", ".join(f"{node.id}: {node.disk_free_mb:.0f} MiB" for node in up)
        return f"no node has the disk for an environment of {self.estimates.size(environment):.0f} MiB ({free})"

    @property
    def waiting(self) -> int:
        """Requests without a place."""
        return len(self._requests) - len(self._where)

    def arrived(self, node: str, environment: str, size_mb: float, seconds: float | None = None) -> list[Start]:
        """Note that a node holds an environment. `seconds`: how long the move took."""
        state = self.nodes[node]
        self.estimates.moved(environment, size_mb, seconds)
        if state.condition is not Condition.GONE:
            state.hold(environment, size_mb)
            self._places.setdefault(environment, {})[node] = state
        return self._settle([state])

    def missing(self, node: str, environment: str) -> list[Start]:
        """Note that a node no longer has an environment."""
        self._drop(self.nodes[node], environment)
        return self._settle(self.nodes.values())

    def release(self, environment: str) -> list[str]:
        """Forget an environment that is needed no more; returns the nodes that hold it."""
        holders = [node for node in self._of(environment) if environment in node.environments]
        for node in holders:
            self._drop(node, environment)
        return [node.id for node in holders]

    def add(self, node: NodeState) -> list[Start]:
        """Take a node in, with what it holds already."""
        self.nodes[node.id] = node
        for environment, size in node.environments.items():
            self.estimates.sizes[environment] = size
            self._places.setdefault(environment, {})[node.id] = node
        return self._settle([node])

    def set_condition(self, node: str, condition: Condition) -> list[Start]:
        """Note how a node is. What runs on one that is gone must still be given back, by `end`."""
        state = self.nodes[node]
        if condition is state.condition or state.condition is Condition.GONE:
            return []
        state.condition = condition
        if condition is Condition.UP:
            state.failures = min(state.failures, FAILURES - 1)  # the next one counts
        elif condition is Condition.GONE:
            for environment in [*state.environments, *state.fetching]:
                self._drop(state, environment)
        return self._settle(self.nodes.values())

    def _of(self, environment: str) -> list[NodeState]:
        return list(self._places.get(environment, {}).values())

    def _drop(self, node: NodeState, environment: str) -> None:
        node.drop(environment)
        places = self._places.get(environment, {})
        if places.pop(node.id, None) and not places:
            del self._places[environment]

    def _tidy(self, queue: _Queue) -> None:
        if not queue.waiting:
            del self._queues[queue.request]

    def _settle(self, nodes: Iterable[NodeState]) -> list[Start]:
        """Start what may start after a change on these nodes."""
        if not self._queues:
            return []
        found = self._fill(nodes)
        if all(node.full for node in self.nodes.values() if node.up):
            return found  # as in a busy cluster after most events
        return found + self._spread(sorted(self._queues.values(), key=_age))

    def _fill(self, nodes: Iterable[NodeState]) -> list[Start]:
        """Give nodes what waits for them, the longest waiting first; what does not fit blocks the rest."""
        found: list[Start] = []
        for node in sorted((node for node in nodes if node.up), key=_load):
            while (queue := self._next(node)) and node.has_room(queue.request):
                evict = () if queue.request.environment in node.environments else self._room_for(queue, node)
                assert evict is not None
                found.append(self._begin(queue, node, evict))
        return found

    def _next(self, node: NodeState) -> _Queue | None:
        """The queue that is next on a node: of those whose environments it holds, or no other node does."""
        able = (queue for queue in self._queues.values() if self._has(queue, node) and self._may_run(queue, node))
        return min(able, key=_age, default=None)

    def _has(self, queue: _Queue, node: NodeState) -> bool:
        if queue.request.environment in node.environments:
            return True
        return not self._useful(queue) and self._room_for(queue, node) is not None

    def _useful(self, queue: _Queue) -> list[NodeState]:
        """Nodes that hold, or soon hold, what a queue waits for, and may run it."""
        return [node for node in self._of(queue.request.environment) if self._may_run(queue, node)]

    def _may_run(self, queue: _Queue, node: NodeState) -> bool:
        """Whether a node is right for what heads a queue, its room and environments aside."""
        if not node.up:
            return False
        home = self.nodes.get(queue.request.node or "")
        if home is not None and self._may_be_home(queue, home):
            return home is node
        memory = queue.request.memory_mb
        refused = queue.request.environment in node.refused
        if not refused and memory <= node.memory_mb:
            return True
        # The least bad of those that can have the environment at all.
        capable = self._capable(queue.request.environment)
        most = max((other.memory_mb for other in capable), default=0)
        large = [other for other in capable if other.memory_mb >= min(memory, most)]
        return node in large and (not refused or all(queue.request.environment in other.refused for other in large))

    def _capable(self, environment: str) -> list[NodeState]:
        """Nodes that are up and hold an environment, or could once nothing is in use."""
        size = self.estimates.size(environment)
        up = (node for node in self.nodes.values() if node.up)
        return [node for node in up if environment in node.environments or node.could_ever_hold(size)]

    def _may_be_home(self, queue: _Queue, home: NodeState) -> bool:
        return (
            home.up and queue.request.environment in home.environments and queue.request.environment not in home.refused
        )

    def _room_for(self, queue: _Queue, node: NodeState) -> tuple[str, ...] | None:
        """What a node has to give up for an environment; None if it cannot take it now."""
        if len(node.fetching) >= MOVES:
            return None
        needed = {other.environment for other in self._queues}
        return node.evictions(self.estimates.size(queue.request.environment), needed)

    def _begin(self, queue: _Queue, node: NodeState, evict: tuple[str, ...] = ()) -> Start:
        ticket, environment = queue.waiting.popleft(), queue.request.environment
        self._tidy(queue)
        for other in evict:
            self._drop(node, other)
        fetch = environment not in node.environments
        if fetch:
            node.fetching[environment] = self.estimates.size(environment)
            self._places.setdefault(environment, {})[node.id] = node
        node.begin(ticket, self._requests[ticket])
        self._where[ticket] = node
        return Start(ticket, node.id, fetch, evict)

    def _spread(self, queues: Iterable[_Queue]) -> list[Start]:
        """Bring environments to nodes that do not hold them, as long as that is worth the move."""
        found: list[Start] = []
        for queue in queues:
            while queue.waiting and self._worth_a_move(queue) and (start := self._move(queue)):
                found.append(start)
        return found

    def _worth_a_move(self, queue: _Queue) -> bool:
        """Whether the wait at those that hold or soon hold an environment is longer than a move."""
        places = self._useful(queue)
        if not places or not queue.request.cores:
            return not places
        seconds, backlog = self.estimates.execution(queue.request.environment), self._backlog()
        wait = min(seconds * backlog[node.id] / node.parallel for node in places)
        return wait > self.estimates.move(queue.request.environment)

    def _move(self, queue: _Queue) -> Start | None:
        """Start the head of a queue on the least loaded node that can take its environment and nobody older awaits."""
        roomy = (node for node in self.nodes.values() if node.up and node.has_room(queue.request))
        for node in sorted(roomy, key=_load):
            there = node.id in self._places.get(queue.request.environment, {})
            if there or not self._may_run(queue, node) or (evict := self._room_for(queue, node)) is None:
                continue
            if (older := self._next(node)) is None or _age(queue) <= _age(older):
                return self._begin(queue, node, evict)
        return None

    def _backlog(self) -> Mapping[str, float]:
        """Requests that wait, by node; those that several nodes could serve are shared among these."""
        found: defaultdict[str, float] = defaultdict(float)
        for queue in self._queues.values():
            places = self._places.get(queue.request.environment, {})
            for node in places:
                found[node] += len(queue.waiting) / len(places)
        return found


def _age(queue: _Queue) -> tuple[bool, int]:
    """Order of queues: what needs no cores first, then what waits longest."""
    return queue.request.cores > 0, queue.waiting[0]


def _load(node: NodeState) -> tuple[float, float, str]:
    """Order of nodes, the least loaded first: by what runs and what may come to run, then by free disk."""
    claims = node.cores_taken + len(node.environments) + len(node.fetching)
    return claims / node.cores, -node.disk_free_mb, node.id

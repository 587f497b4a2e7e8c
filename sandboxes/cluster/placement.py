"""Which node of a cluster an execution goes to.

A state machine without clock, threads or network: each method tells of one event and returns what may start because of
it. The caller holds a lock around every call. Deterministic: equal events in equal order give equal placements.

An execution goes where its environment is. Another node gets a copy only while those that hold it are saturated and the
wait there would be longer than the move. On a node, what waits longest goes first, and nothing passes it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from sandboxes.cluster.estimates import Estimates
from sandboxes.cluster.node_state import FAILURES, Condition, NodeState, Request, Start, load
from sandboxes.cluster.waiting import Queue, Waiting, age

MOVES = 2
"""Environments that a node receives at a time."""


class Placement:
    """The nodes of a cluster, and the requests that run or wait there."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeState] = {}
        """All that ever were, in the order in which they came."""
        self._open: dict[str, NodeState] = {}
        """Those with a core free: as nearly every core of a busy cluster is taken, all are not looked through."""
        self.estimates = Estimates()
        self._requests: dict[int, Request] = {}
        self._where: dict[int, NodeState] = {}
        self._waiting = Waiting()
        self._places: dict[str, dict[str, NodeState]] = {}
        """Nodes that hold an environment, or to which it is on its way."""
        self._astray: list[Queue] | None = None
        """Queues for which there may be no node that holds what they wait for; None: to be found anew."""
        self._tickets = itertools.count(1)

    def submit(self, request: Request) -> tuple[int, list[Start]]:
        """Ask for a place. Returns the request's ticket, and what may start: this request, or nothing yet."""
        ticket = next(self._tickets)
        self._requests[ticket] = request
        queue = self._waiting.add(request, ticket)
        if self._astray is not None and len(queue.waiting) == 1 and not self._is_placed(queue):
            self._astray.append(queue)
        # Nothing that needs a core can start on a node that is full.
        found = self._fill(node for node in self._of(request.environment) if not (request.cores and node.full))
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
            self._waiting.remove(request, ticket)
            return self._settle(self.nodes.values())
        roomy = all(node.fits(*size) for size in self._waiting.sizes)
        node.end(ticket)
        if self.nodes[node.id] is node:  # else another one has come in its place
            self._open[node.id] = node
        if not_brought := (failed or seconds is None) and request.environment in node.fetching:
            self._drop(node, request.environment)
        if failed:
            self._astray = None
            node.fail(request.environment)
            if node.up and node.failures >= FAILURES:
                return self.set_condition(node.id, Condition.SUSPECT)
            return self._settle(self.nodes.values())
        if seconds is not None and request.cores:
            node.succeed()
            self.estimates.executed(request.environment, seconds)
        if not_brought:
            return self._settle(self.nodes.values())
        if not roomy or not node.uses(request.environment) or self._lost():
            return self._settle([node])
        # All else could have come here before.
        return self._fill([node]) + self._spread(self._waiting.of(request.environment))

    def stuck(self, ticket: int) -> str | None:
        """Why a request cannot start however long it waits; None: it can, or has."""
        if ticket in self._where or ticket not in self._requests:
            return None
        environment = self._requests[ticket].environment
        if any(self._capable(environment)):
            return None
        if not (up := [node for node in self.nodes.values() if node.up]):
            return "no node of the cluster is up"
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

    def measured(self, node: str, disk_free_mb: float) -> list[Start]:
        """Note how much disk is free on a node: what waits may have room now."""
        self.nodes[node].disk_free_mb = disk_free_mb
        return self._settle([self.nodes[node]])

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
        self.nodes[node.id] = self._open[node.id] = node
        for environment, size in node.environments.items():
            self.estimates.sizes[environment] = size
            self._places.setdefault(environment, {})[node.id] = node
        return self._settle([node])

    def set_condition(self, node: str, condition: Condition) -> list[Start]:
        """Note how a node is. What runs on one that is gone must still be given back, by `end`."""
        state = self.nodes[node]
        if condition is state.condition or state.condition is Condition.GONE:
            return []
        state.condition, self._astray = condition, None
        if condition is Condition.UP:
            state.failures = min(state.failures, FAILURES - 1)  # the next one counts
        elif condition is Condition.GONE:
            for environment in [*state.environments, *state.fetching]:
                self._drop(state, environment)
        return self._settle(self.nodes.values())

    def _of(self, environment: str) -> list[NodeState]:
        return list(self._places.get(environment, {}).values())

    def _drop(self, node: NodeState, environment: str) -> None:
        self._astray = None
        node.drop(environment)
        places = self._places.get(environment, {})
        if places.pop(node.id, None) and not places:
            del self._places[environment]

    def _settle(self, nodes: Iterable[NodeState]) -> list[Start]:
        """Start what may start after a change on these nodes."""
        return [*self._fill(nodes), *self._spread(self._waiting)] if self._waiting else []

    def _fill(self, nodes: Iterable[NodeState]) -> list[Start]:
        """Give nodes what waits for them, the longest waiting first; what does not fit blocks the rest."""
        found: list[Start] = []
        for node in sorted((node for node in nodes if node.up), key=load):
            while self._takes(node) and (queue := self._next(node)) and node.has_room(queue.request):
                evict = () if queue.request.environment in node.environments else self._room_for(queue, node)
                assert evict is not None
                found.append(self._begin(queue, node, evict))
        return found

    def _takes(self, node: NodeState) -> bool:
        """Whether anything that waits fits on a node."""
        return any(node.fits(*size) for size in self._waiting.sizes)

    def _next(self, node: NodeState) -> Queue | None:
        """The queue that is next on a node: of those whose environments it holds, or no other node does."""
        held = (queue for queue in self._waiting.among(node.environments) if self._may_run(queue, node))
        lost = (queue for queue in self._lost() if self._could_take(queue, node))
        return min(itertools.chain(held, lost), key=age, default=None)

    def _could_take(self, queue: Queue, node: NodeState) -> bool:
        """Whether a node may have the environment of a queue that no node holds."""
        if not queue.waiting or queue.request.environment in node.environments or self._useful(queue):
            return False
        return self._may_run(queue, node) and self._room_for(queue, node) is not None

    def _lost(self) -> list[Queue]:
        """Queues for which there may be no node that holds what they wait for; some wait no longer."""
        if self._astray is None:
            self._astray = [queue for queue in self._waiting if not self._is_placed(queue)]
        return self._astray

    def _is_placed(self, queue: Queue) -> bool:
        """Whether a node certainly holds, or soon holds, what a queue waits for, and may run it."""
        environment, memory = queue.request.environment, queue.request.memory_mb
        return self._home(queue) is not None or any(
            node.up and memory <= node.memory_mb and environment not in node.refused
            for node in self._places.get(environment, {}).values()
        )

    def _useful(self, queue: Queue) -> list[NodeState]:
        """Nodes that hold, or soon hold, what a queue waits for, and may run it."""
        return [node for node in self._of(queue.request.environment) if self._may_run(queue, node)]

    def _may_run(self, queue: Queue, node: NodeState) -> bool:
        """Whether a node is right for what heads a queue, its room and environments aside."""
        if not node.up:
            return False
        if (home := self._home(queue)) is not None:
            return home is node
        memory = queue.request.memory_mb
        refused = queue.request.environment in node.refused
        if not refused and memory <= node.memory_mb:
            return True
        # The least bad of those that can have the environment at all.
        capable = list(self._capable(queue.request.environment))
        most = max((other.memory_mb for other in capable), default=0)
        large = [other for other in capable if other.memory_mb >= min(memory, most)]
        return node in large and (not refused or all(queue.request.environment in other.refused for other in large))

    def _capable(self, environment: str) -> Iterator[NodeState]:
        """Nodes that are up and hold an environment, or could once nothing is in use."""
        size = self.estimates.size(environment)
        up = (node for node in self.nodes.values() if node.up)
        return (node for node in up if environment in node.environments or node.could_ever_hold(size))

    def _home(self, queue: Queue) -> NodeState | None:
        """The node of the session to which a queue belongs, while it may stay there."""
        if queue.request.node is None or (home := self.nodes.get(queue.request.node)) is None:
            return None
        environment = queue.request.environment
        return home if home.up and environment in home.environments and environment not in home.refused else None

    def _room_for(self, queue: Queue, node: NodeState) -> tuple[str, ...] | None:
        """What a node has to give up for an environment; None if it cannot take it now."""
        if len(node.fetching) >= MOVES:
            return None
        return node.evictions(self.estimates.size(queue.request.environment), self._waiting.environments)

    def _begin(self, queue: Queue, node: NodeState, evict: tuple[str, ...] = ()) -> Start:
        ticket, environment = self._waiting.take(queue), queue.request.environment
        for other in evict:
            self._drop(node, other)
        fetch = environment not in node.environments
        if fetch:
            node.fetching[environment] = self.estimates.size(environment)
            self._places.setdefault(environment, {})[node.id] = node
            self._astray = None
        node.begin(ticket, self._requests[ticket])
        if node.full:
            self._open.pop(node.id, None)
        self._where[ticket] = node
        return Start(ticket, node.id, fetch, evict)

    def _spread(self, queues: Iterable[Queue]) -> list[Start]:
        """Bring environments to nodes that do not hold them, as long as that is worth the move."""
        found: list[Start] = []
        nodes = self.nodes if self._waiting.needs_no_core else self._open
        if not any(node.up and len(node.fetching) < MOVES and self._takes(node) for node in nodes.values()):
            return found  # as in a busy cluster after most events
        waits: dict[str, float] = {}
        worth = [queue for queue in queues if queue.waiting and self._worth_a_move(queue, waits)]
        for queue in sorted(worth, key=age):
            while queue.waiting and self._worth_a_move(queue, waits) and (start := self._move(queue)):
                found.append(start)
                waits.clear()
        return found

    def _worth_a_move(self, queue: Queue, waits: dict[str, float]) -> bool:
        """Whether the wait at those that hold or soon hold an environment is longer than a move.

        `waits`: executions that a node has before it, for each that it carries out at a time, as far as known.
        """
        places = self._useful(queue)
        if not places or not queue.request.cores:
            return not places
        for node in places:
            if node.id not in waits:
                waits[node.id] = self._backlog(node) / node.parallel
        seconds = self.estimates.execution(queue.request.environment)
        return seconds * min(waits[node.id] for node in places) > self.estimates.move(queue.request.environment)

    def _move(self, queue: Queue) -> Start | None:
        """Start the head of a queue on the least loaded node that can take its environment and nobody older awaits."""
        roomy = (node for node in self.nodes.values() if node.up and node.has_room(queue.request))
        for node in sorted(roomy, key=load):
            there = node.id in self._places.get(queue.request.environment, {})
            if there or not self._may_run(queue, node) or (evict := self._room_for(queue, node)) is None:
                continue
            if (older := self._next(node)) is None or age(queue) <= age(older):
                return self._begin(queue, node, evict)
        return None

    def _backlog(self, node: NodeState) -> float:
        """Requests that wait for a node; those that several nodes could serve are shared among these."""
        queues = self._waiting.among(itertools.chain(node.environments, node.fetching))
        return sum(len(queue.waiting) / len(self._places[queue.request.environment]) for queue in queues)

"""The `ray` sandboxes on the driver's side: each execution goes to a node, and what becomes of nodes is seen to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import NamedTuple

from sandboxes import inside
from sandboxes.base import Capacity, Environment, Execution, Limits, Reason, SandboxError, Script
from sandboxes.cluster.connection import Connection
from sandboxes.cluster.handle import Node
from sandboxes.cluster.messages import Done, Facts, NodeSettings, Order, Place, Unknown, applied, values_of
from sandboxes.cluster.placement import Condition, NodeState, Placement
from sandboxes.cluster.shipping import source_of
from sandboxes.cluster.texts import SHORT, Ref, hash_of
from sandboxes.cluster.watch import Found, Watch
from sandboxes.layers import EMPTY, Layer
from sandboxes.sessions import Session, Step

PATIENCE = 120.0
"""Seconds to wait for a node when there is none."""
MOST_LAYERS = 4096
"""Layers of which the driver remembers the node."""


class NodeStatus(NamedTuple):
    """A node as `status` shows it."""

    id: str
    name: str
    condition: str
    cores: int
    in_flight: int
    executions: int
    environments: int
    disk_free_mb: int
    last_failure: str


class RaySandbox:
    """Runs scripts on the nodes of a Ray cluster, in the sandbox that each of them runs underneath.

    `address`: see `Connection`. `node_cores`, `node_memory_mb`, `node_disk_mb`: of each node, by default what Ray has
    of it. `share`: whether nodes on this machine use folders where they lie.
    """

    def __init__(
        self,
        run: str,
        underneath: str,
        *,
        address: str | None = None,
        node_cores: int | None = None,
        node_memory_mb: int | None = None,
        node_disk_mb: int | None = None,
        reuse: bool = False,
        share: bool = True,
    ) -> None:
        """Raises SandboxError if there is no cluster, or none of its nodes can be used."""
        self.name = f"ray-{underneath}"
        self._settings = NodeSettings(run, underneath, node_cores, node_memory_mb, node_disk_mb, reuse, share)
        self._changed = threading.Condition()
        self._placement, self._nodes = Placement(), dict[str, Node]()
        self._places = Places()
        self._reasons: dict[str, str] = {}
        """Why nodes cannot be used, by their names."""
        self._closed = False
        self._connection = Connection(address, node_cores)
        self._watch = Watch(self, living, self._check)
        try:
            self._watch.settled.wait()
            if not self._nodes:
                raise SandboxError(f"no node of the Ray cluster can be used: {self._why()}")
        except BaseException:
            self.close()
            raise

    def ensure(self, environment: Environment) -> None:
        """Have the environment on a node. Raises SandboxError saying what is missing and what to do."""
        source = source_of(environment)
        with self._on_a_node(environment.name, Limits()) as node:
            node.hold(source)

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        """Run a script on a node; see `Sandbox.run`."""
        return self._carry_out(environment, script, patch, limits or Limits(), None).execution

    def step(
        self, environment: Environment, script: Script, layer: Layer = EMPTY, limits: Limits | None = None
    ) -> Step:
        """Run a command on the node that has the session's files, while that lives; see `SessionSandbox.step`."""
        return self._carry_out(environment, script, None, limits or Limits(), layer)

    def open(self, environment: Environment, limits: Limits | None = None, layer: Layer = EMPTY) -> Session:
        """Open a session; see `SessionSandbox.open`."""
        return Session(self, environment, limits or Limits(), layer)

    def capacity(self) -> Capacity:
        """What all nodes that are up take at a time."""
        with self._changed:
            up = [node for node in self._placement.nodes.values() if node.condition is Condition.UP]
            return Capacity(sum(node.cores for node in up), sum(node.memory_mb for node in up))

    def release(self, image: str) -> None:
        """Give up what nodes keep ready in an image; see `ImageSandbox.release`."""
        for node in list(self._nodes.values()):
            node.tell("release", image)

    def nodes(self) -> list[NodeStatus]:
        """The nodes as they are now."""
        with self._changed:
            return [self._status(node, self._placement.nodes[node.id]) for node in self._nodes.values()]

    def close(self) -> None:
        """End all that runs on the nodes; calls in flight return SANDBOX_FAILED."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            self._changed.notify_all()
        self._watch.close()
        for node in self._nodes.values():
            node.lose("the sandbox was closed")
        for node in self._nodes.values():
            node.end()
        self._connection.close()

    def _carry_out(
        self, environment: Environment, script: Script, patch: str | None, limits: Limits, layer: Layer | None
    ) -> Step:
        before = EMPTY if layer is None else layer
        if refusal := inside.refusal(environment, script, limits):
            return Step(inside.failed(refusal), before)
        prefer = self._places.get(before.id) if before is not EMPTY else None
        try:
            with self._on_a_node(environment.name, limits, prefer) as node:
                done = self._on(node, environment, script, patch, limits, layer)
        except Exception as error:
            return Step(inside.unforeseen(error), before)
        reason, *rest = done.execution
        execution = Execution(Reason(reason), *rest)
        if execution.reason is Reason.SANDBOX_FAILED:
            execution = inside.failed(f"node {node.name}: {execution.detail}", execution.output.encode())
        after = before if done.layer is None else applied(before, done.layer)
        if layer is not None:
            node.sent.add(after.id)
            self._places.put(after.id, node.id)
        return Step(execution, after, done.dropped)

    def _on(
        self,
        node: Node,
        environment: Environment,
        script: Script,
        patch: str | None,
        limits: Limits,
        layer: Layer | None,
    ) -> Done:
        """Send it, and again with what the node turns out not to have."""
        place = Place(environment.name, environment.repository, environment.variables, environment.activate)
        while True:
            node.hold_once(environment.name, lambda: source_of(environment))
            texts: dict[bytes, str] = {}
            layers: tuple[Layer, ...] = ()
            if layer is not None and layer is not EMPTY and layer.id not in node.sent:
                layers = (layer,)
            order = Order(
                place,
                _text(script.text, node, texts),
                script.name,
                script.command,
                patch if patch is None else _text(patch, node, texts),
                values_of(limits),
                None if layer is None else layer.id,
            )
            answer = node.carry_out(order, texts, layers)
            for key in texts:
                node.sent.add(key)
            for sent in layers:
                node.sent.add(sent.id)
            if isinstance(answer, Unknown):
                node.forget(answer, environment.name)
                continue
            assert isinstance(answer, Done)
            return answer

    def _on_a_node(self, environment: str, limits: Limits, prefer: str | None = None) -> _Slot:
        """A slot on a node, once there is one. Raises SandboxError."""
        deadline = time.monotonic() + PATIENCE
        with self._changed:
            while True:
                if self._closed:
                    raise SandboxError("the sandbox was closed")
                if prefer is not None and (preferred := self._placement.nodes.get(prefer)) is not None:
                    id = prefer if preferred.fits(1, limits.memory_mb) else None
                    if preferred.condition is not Condition.UP:
                        prefer = None
                        continue
                else:
                    id = self._placement.choose(environment, 1, limits.memory_mb)
                if id is not None:
                    break
                if self._placement.nodes:
                    deadline = time.monotonic() + PATIENCE
                elif time.monotonic() > deadline:
                    raise SandboxError(f"the Ray cluster has no node that can be used: {self._why()}")
                self._changed.wait(1.0)
            self._placement.begin(id, 1, limits.memory_mb)
        return _Slot(self._nodes[id], lambda: self._end(id, limits))

    def _end(self, id: str, limits: Limits) -> None:
        with self._changed:
            self._placement.end(id, 1, limits.memory_mb)
            self._changed.notify()

    def start(self, found: Found) -> Node:
        """Start an agent; see `Members`."""
        return Node(found.id, found.name, self._settings, found.cores, found.memory_mb)

    def added(self, node: Node, facts: Facts) -> None:
        """See `Members`."""
        with self._changed:
            state = self._placement.nodes.get(node.id)
            if state is None:
                state = NodeState(node.id, facts.cores, facts.memory_mb, facts.disk_free_mb)
                self._placement.node_added(state)
                self._nodes[node.id] = node
            state.condition, state.disk_free_mb = Condition.UP, facts.disk_free_mb
            state.held = set(facts.held)
            self._changed.notify_all()

    def suspect(self, node: Node, why: str) -> None:
        """See `Members`."""
        with self._changed:
            if node.id in self._placement.nodes:
                self._placement.nodes[node.id].condition = Condition.SUSPECT
            self._reasons[node.name] = why
            self._changed.notify_all()

    def removed(self, node: Node, why: str) -> None:
        """See `Members`."""
        node.lose(why)
        with self._changed:
            self._placement.node_lost(node.id)
            self._nodes.pop(node.id, None)
            self._reasons[node.name] = why
            self._changed.notify_all()

    def refused(self, found: Found, why: str) -> None:
        """See `Members`."""
        self._reasons[found.name] = why

    def _check(self, facts: Facts) -> str:
        if facts.version != version("codemonkeys"):
            return (
                f"it has codemonkeys {facts.version}, this process {version('codemonkeys')}: install the same version"
            )
        return facts.trouble

    def _why(self) -> str:
        return "; ".join(f"{name}: {why}" for name, why in self._reasons.items()) or "none has any cores for others"

    def _status(self, node: Node, state: NodeState) -> NodeStatus:
        facts = node.facts
        return NodeStatus(
            *(node.id, node.name, str(state.condition), state.cores, round(state.executions)),
            *(facts.executions if facts else 0, len(state.held), state.disk_free_mb),
            facts.last_failure if facts else "",
        )


class _Slot:
    """A node, for the length of a block."""

    def __init__(self, node: Node, end: Callable[[], None]) -> None:
        self._node, self._end = node, end

    def __enter__(self) -> Node:
        return self._node

    def __exit__(self, *error: object) -> None:
        self._end()


class Places:
    """The nodes that have the files of sessions, by the ids of layers: the last of them. Thread-safe."""

    def __init__(self, most: int = MOST_LAYERS) -> None:
        self._most, self._lock, self._known = most, threading.Lock(), dict[str, str]()

    def get(self, layer: str) -> str | None:
        """The node."""
        return self._known.get(layer)

    def put(self, layer: str, node: str) -> None:
        """Remember the node."""
        with self._lock:
            self._known.pop(layer, None)
            self._known[layer] = node
            if len(self._known) > self._most:
                del self._known[next(iter(self._known))]


def _text(text: str, node: Node, texts: dict[bytes, str]) -> str | Ref:
    """The text itself if it is short, else its hash; `texts` gets it if the node has not been sent it."""
    if len(text) <= SHORT:
        return text
    key = hash_of(text)
    if key not in node.sent:
        texts[key] = text
    return Ref(key)


def living() -> list[Found]:
    """The nodes that Ray knows of and that take work: those that have any cores for others."""
    import ray

    return [
        Found(
            node["NodeID"],
            f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})",
            int(node["Resources"]["CPU"]),
            int(node["Resources"].get("memory", 0)) >> 20,
        )
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
    ]

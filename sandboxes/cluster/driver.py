"""The `ray` sandboxes on the driver's side: the contract of a sandbox, on the nodes of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from importlib.metadata import version
from typing import Any, TypeVar

from sandboxes.base import Capacity, Environment, Execution, Limits, SandboxError, Script
from sandboxes.cluster import watch
from sandboxes.cluster.connection import Connection, living
from sandboxes.cluster.dispatcher import Dispatcher
from sandboxes.cluster.handle import CLOSING, Node
from sandboxes.cluster.homes import Homes
from sandboxes.cluster.members import Members
from sandboxes.cluster.messages import Facts, NodeSettings
from sandboxes.cluster.under_way import UnderWay, Wanted
from sandboxes.layers import EMPTY, Layer
from sandboxes.nodes import Cluster
from sandboxes.sessions import Session, Step

T = TypeVar("T")


class RaySandbox:
    """Runs scripts on the nodes of a Ray cluster, in the sandbox that each of them runs underneath.

    `underneath`: `local` or `docker`. `address`: see `Connection`. `node_cores`, `node_memory_mb`, `node_disk_mb`: what
    executions and environments may take of each node, by default what Ray has of it. `share`: whether nodes on this
    machine use folders where they lie. `every`, `patience`: seconds between heartbeats, and without an answer until a
    node is given up.
    """

    def __init__(
        self,
        run: str = "",
        underneath: str = "local",
        *,
        address: str | None = None,
        node_cores: int | None = None,
        node_memory_mb: int | None = None,
        node_disk_mb: int | None = None,
        reuse: bool = False,
        share: bool = True,
        every: float = watch.EVERY,
        patience: float = watch.PATIENCE,
    ) -> None:
        """Raises SandboxError if there is no cluster, or none of its nodes can be used."""
        self.name = f"ray-{underneath}"
        settings = NodeSettings(run, underneath, node_cores, node_memory_mb, node_disk_mb, reuse, share)
        self._homes = Homes()
        self._closed = False
        self._connection = Connection(address, node_cores)
        self._members = Members(settings, lambda: self._watch.look())
        self._dispatcher = Dispatcher(self._members.give_up_stuck)
        self._watch = watch.Watch(self._members, living, _unfit, every, patience)
        try:
            self._watch.start()
            self._watch.settled.wait(2 * watch.STARTING)
            if not self._members.up():
                raise SandboxError(f"no node of the Ray cluster can be used: {self._members.reasons()}")
        except BaseException:
            self.close()
            raise

    def ensure(self, environment: Environment) -> None:
        """Have the environment on a node. Raises SandboxError saying what is missing and what to do."""
        with self._members.place(environment, 0, 0):
            pass

    def begin(
        self, environment: Environment, script: Script, patch: str | None, limits: Limits, layer: Layer | None
    ) -> Future[Step]:
        """Begin to run a script or a command on a node; see `BeginningSandbox`."""
        wanted = Wanted(environment, script, patch, limits, layer)
        return UnderWay(wanted, self._members, self._homes, self._dispatcher).begin()

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        """Run a script on a node; see `Sandbox.run`."""
        return self.begin(environment, script, patch, limits or Limits(), None).result().execution

    def step(
        self, environment: Environment, script: Script, layer: Layer = EMPTY, limits: Limits | None = None
    ) -> Step:
        """Run a command on the node that has the session's files, while that is up; see `SessionSandbox.step`."""
        return self.begin(environment, script, None, limits or Limits(), layer).result()

    def open(self, environment: Environment, limits: Limits | None = None, layer: Layer = EMPTY) -> Session:
        """Open a session; see `SessionSandbox.open`."""
        return Session(self, environment, limits or Limits(), layer)

    def capacity(self) -> Capacity:
        """What all nodes that are up take at a time."""
        return self._members.capacity()

    def cluster(self) -> Cluster:
        """What is known of its nodes now; see `ClusterSandbox`."""
        return Cluster(self._connection.address, self._connection.dashboard, self._members.views())

    def call(self, environment: Environment, limits: Limits, function: Callable[..., T], *arguments: object) -> T:
        """Call a function of a module on a node that has an environment, in a place there; see `ClusterSandbox`."""
        with self._members.place(environment, 1, limits.memory_mb) as place:
            try:
                result: T = place.node.call_in(environment.name, function, *arguments)
            except SandboxError:
                place.failed = True
                raise
            return result

    def call_all(self, function: Callable[..., T], *arguments: object) -> dict[str, T | SandboxError]:
        """Call a function of a module on every node that is up; see `ClusterSandbox`."""
        answers: dict[str, T | SandboxError] = {}
        begun: list[tuple[Node, Future[T]]] = []
        for node in self._members.up():
            try:
                begun.append((node, node.begin("call", function, *arguments)))
            except SandboxError as error:  # it has just been lost
                answers[node.id] = error
        for node, future in begun:
            try:
                answers[node.id] = future.result()
            except SandboxError as error:
                answers[node.id] = error
        return answers

    def release(self, image: str) -> None:
        """Give up what nodes keep ready in an image; see `ImageSandbox.release`."""
        for node in self._members.up():
            node.tell("release", image)

    def close(self) -> None:
        """End all that runs on the nodes; calls in flight return SANDBOX_FAILED."""
        if self._closed:
            return
        self._closed = True
        self._watch.close()
        answering = self._members.answering()
        nodes = self._members.close()
        endings = {node: node.end() for node in nodes}
        # Nodes that do not answer are not waited for: what runs there ends with their agents.
        _wait([ending for node in answering if (ending := endings.get(node)) is not None])
        for node in nodes:
            node.kill()
        self._dispatcher.close()
        self._connection.close()


def _unfit(facts: Facts) -> str:
    here = version("codemonkeys")
    if facts.version != here:
        return f"it has codemonkeys {facts.version}, this machine {here}: install the same version on both"
    return facts.trouble


def _wait(refs: list[Any]) -> None:
    import ray

    if refs:
        ray.wait(refs, num_returns=len(refs), timeout=CLOSING)

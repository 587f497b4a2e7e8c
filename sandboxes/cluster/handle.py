"""The driver's side of one node: calls of its agent, which fail at once when the node is given up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any

from sandboxes.base import SandboxError
from sandboxes.cluster.messages import Facts, NodeSettings, Order, Source, Unknown
from sandboxes.cluster.node import NodeAgent
from sandboxes.cluster.shipping import WINDOW, pack
from sandboxes.cluster.texts import Sent
from sandboxes.layers import Layer

CLOSING = 30.0
"""Seconds that an agent has to end what runs."""
GROUPS = {"control": 2, "moving": 4}
"""Threads of an agent beside those of executions, so that none waits for these."""
SPARE = 8
"""Calls beyond one per core that an agent takes at a time."""


class NodeLost(SandboxError):
    """The node does not answer, or is no more."""


class Node:
    """A node of the cluster."""

    def __init__(self, id: str, name: str, settings: NodeSettings, cores: int, memory_mb: int) -> None:
        """Start an agent on it; `cores`, `memory_mb`: what Ray has of it."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self.id, self.name = id, name
        self.facts: Facts | None = None
        self.sent = Sent()
        self._lock = threading.Lock()
        self._pending: set[Future[Any]] = set()
        self._lost = ""
        self._moving: dict[str, threading.Lock] = {}
        self._held: set[str] = set()
        most = (settings.cores or cores) + SPARE
        kind = ray.remote(num_cpus=0, max_restarts=0, max_concurrency=most, concurrency_groups=GROUPS)(NodeAgent)
        here = NodeAffinitySchedulingStrategy(id, soft=False)
        self._agent = kind.options(scheduling_strategy=here).remote(settings, cores, memory_mb)

    def call(self, method: str, *arguments: Any, group: str | None = None) -> Future[Any]:
        """Call a method of the agent; the future fails with NodeLost if the node is given up."""
        from ray.exceptions import RayError, RayTaskError

        waiting: Future[Any] = Future()
        with self._lock:
            if self._lost:
                raise NodeLost(self._lost)
            self._pending.add(waiting)

        def done(answered: Future[Any]) -> None:
            with self._lock:
                self._pending.discard(waiting)
            error = answered.exception()
            with suppress(InvalidStateError):  # it was given up before
                if error is None:
                    waiting.set_result(answered.result())
                elif isinstance(cause := getattr(error, "cause", error), SandboxError):
                    waiting.set_exception(SandboxError(str(cause)))
                elif not isinstance(error, RayError) or isinstance(error, RayTaskError):
                    waiting.set_exception(SandboxError(f"node {self.name} failed: {type(cause).__name__}: {cause}"))
                else:
                    waiting.set_exception(NodeLost(f"node {self.name} was lost: {_first_line(error)}"))

        bound = getattr(self._agent, method)
        ref = (bound.options(concurrency_group=group) if group else bound).remote(*arguments)
        ref.future().add_done_callback(done)
        return waiting

    def lose(self, why: str, keep: Future[Any] | None = None) -> None:
        """Give it up: calls under way fail, further ones too. `keep`: the one by which it may answer again."""
        with self._lock:
            self._lost = why
            pending = self._pending - {keep}
            self._pending -= pending
        for waiting in pending:
            with suppress(InvalidStateError):
                waiting.set_exception(NodeLost(why))

    def find(self) -> None:
        """It answers again."""
        with self._lock:
            self._lost = ""

    def hold_once(self, name: str, source: Callable[[], Source]) -> None:
        """Have an environment on the node, unless it is known to be there. Raises SandboxError."""
        if name not in self._held:
            self.hold(source())

    def hold(self, source: Source) -> None:
        """Have an environment on the node, sent there if need be. Raises SandboxError."""
        name = source.environment.name
        with self._lock:
            if name in self._held:
                return
            moving = self._moving.setdefault(name, threading.Lock())
        with moving:
            if name in self._held:
                return
            if not self.call("hold", source, group="moving").result():
                self._send(source)
                if not self.call("hold", source, group="moving").result():
                    raise SandboxError(f"environment {name} did not arrive on node {self.name}")
            self._held.add(name)

    def _send(self, source: Source) -> None:
        environment, under_way = source.environment, list[Future[Any]]()
        last: bytes | None = None
        try:
            for piece in pack(environment):
                if last is not None:
                    # In order: the next piece goes out when the one before was written.
                    while len(under_way) >= 1:
                        under_way.pop(0).result()
                    under_way.append(self.call("receive", environment, last, False, group="moving"))
                last = piece
            for future in under_way:
                future.result()
            self.call("receive", environment, last or b"", True, group="moving").result()
        except BaseException:
            with suppress(SandboxError):
                self.call("forget", environment.name, group="control")
            raise

    def carry_out(self, order: Order, texts: dict[bytes, str], layers: tuple[Layer, ...]) -> Any:
        """Have an order carried out. Raises SandboxError."""
        return self.call("carry_out", order, texts, layers).result()

    def forget(self, unknown: Unknown, name: str) -> None:
        """What the node does not have is sent again."""
        for key in unknown.hashes:
            self.sent.forget(key)
        if unknown.environment:
            self._held.discard(name)

    def tell(self, method: str, *arguments: Any) -> None:
        """Call a method whose answer nobody waits for."""
        with suppress(SandboxError):
            self.call(method, *arguments, group="control")

    def end(self) -> None:
        """Have the agent end what runs, and end it."""
        import ray

        with suppress(Exception):
            ray.get(self._agent.close.options(concurrency_group="control").remote(), timeout=CLOSING)
        self.kill()

    def kill(self) -> None:
        """End the agent."""
        import ray

        with suppress(Exception):
            ray.kill(self._agent)


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return lines[0].strip() if lines else type(error).__name__


__all__ = ["WINDOW", "Node", "NodeLost"]

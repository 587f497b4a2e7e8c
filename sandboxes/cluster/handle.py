"""The driver's side of one node: calls of its agent, which fail at once when the node is given up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, NamedTuple

from sandboxes.base import SandboxError
from sandboxes.cluster.messages import Done, NodeSettings, Source, Unknown
from sandboxes.cluster.node import NodeAgent
from sandboxes.cluster.shipping import pieces_of
from sandboxes.cluster.texts import Sent

CLOSING = 30.0
"""Seconds that an agent has to end what runs."""
GROUPS = {"control": 4, "moving": 4}
"""Threads of an agent beside those of executions, so that none waits for these."""
SPARE = 8
"""Executions beyond one per core that an agent takes at a time: where one limit is not yet known to the other side."""


class NodeLost(SandboxError):
    """The node does not answer, or is no more."""


class Found(NamedTuple):
    """A node as Ray lists it."""

    id: str
    name: str
    cores: int
    memory_mb: int


def why_lost(error: BaseException) -> str:
    """What Ray says first; of an agent that could not begin, what failed there and what to do."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    if "creation task" not in lines[0]:
        return lines[0]
    return lines[-1] + ("; install codemonkeys[ray] there" if "ModuleNotFoundError" in lines[-1] else "")


class Node:
    """A node of the cluster, with an agent that was started for this driver."""

    def __init__(self, found: Found, settings: NodeSettings, lost: Callable[[Node, str, bool], None]) -> None:
        """`lost`: called when it turns out not to answer, with why, and whether its agent is no more."""
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        self.id, self.name = found.id, found.name
        self.sent = Sent()
        """Texts and layers that it has."""
        self.dead = ""
        """Why its agent is no more; empty while it is."""
        self._tell_lost = lost
        self._lock = threading.Lock()
        self._pending: set[Future[Any]] = set()
        self._lost = ""
        self._held: dict[str, float] = {}
        self._moving: dict[str, threading.Lock] = {}
        remote: Any = ray.remote
        kind = remote(
            num_cpus=0,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=(settings.cores or found.cores) + SPARE,
            concurrency_groups=GROUPS,
        )(NodeAgent)
        here = NodeAffinitySchedulingStrategy(found.id, soft=False)
        self._agent = kind.options(scheduling_strategy=here).remote(settings, found.cores, found.memory_mb)
        self._carry_out = self._agent.carry_out

    def call(self, method: str, *arguments: Any, group: str = "control") -> Future[Any]:
        """Call a method of the agent; the future fails with NodeLost if the node is given up."""
        return self._follow(getattr(self._agent, method).options(concurrency_group=group), arguments)

    def carry_out(self, *arguments: Any) -> Future[Done | Unknown]:
        """Have an order carried out; the future fails with NodeLost if the node is given up. Raises NodeLost."""
        return self._follow(self._carry_out, arguments)

    def begin(self, method: str, *arguments: Any) -> Future[Any]:
        """Call a method beside executions, such as `call`."""
        return self.call(method, *arguments)

    def call_in(self, environment: str, *arguments: Any) -> Any:
        """Call a function with an environment, in a place there. Raises SandboxError, and what the function raises."""
        return self._follow(self._agent.call_in, (environment, *arguments)).result()

    def _follow(self, method: Any, arguments: tuple[Any, ...]) -> Future[Any]:
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
                else:
                    waiting.set_exception(self._told(error))

        try:
            method.remote(*arguments).future().add_done_callback(done)
        except BaseException:  # of arguments that cannot be sent
            with self._lock:
                self._pending.discard(waiting)
            raise
        return waiting

    def _told(self, error: BaseException) -> BaseException:
        from ray.exceptions import ActorDiedError, RayError, RayTaskError

        if isinstance(error, RayTaskError):
            cause = error.cause
            return cause if isinstance(cause, Exception) else SandboxError(f"node {self.name}: {error}")
        if not isinstance(error, RayError):
            return error
        why = f"node {self.name} was lost: {why_lost(error)}"
        dead = isinstance(error, ActorDiedError)
        # First, so that nobody who hears of it is sent here again.
        self._tell_lost(self, why, dead)
        if dead:
            self.dead = why
            self.lose(why)
        return NodeLost(why)

    def lose(self, why: str, keep: Future[Any] | None = None) -> None:
        """Give it up: calls under way fail, further ones too. `keep`: the one by which it may answer again."""
        with self._lock:
            self._lost = why
            pending = self._pending - {keep}
            self._pending -= pending
        for waiting in pending:
            with suppress(InvalidStateError):
                waiting.set_exception(NodeLost(why))

    @property
    def answers(self) -> bool:
        """Whether it has not been given up."""
        return not self._lost

    def find(self) -> None:
        """It answers again."""
        with self._lock:
            self._lost = self.dead

    def holds(self, name: str) -> bool:
        """Whether an environment is on the node, as far as known."""
        return name in self._held

    def hold(self, name: str, source: Callable[[], Source]) -> float:
        """Have an environment on the node, sent if need be; returns its size there, in MiB. Raises SandboxError."""
        if (size_mb := self._held.get(name)) is not None:
            return size_mb
        with self._changing(name):
            if name not in self._held:
                found = source()
                held = self.call("hold", found, group="moving").result()
                if held is None:
                    self._send(found)
                    held = self.call("hold", found, group="moving").result()
                if held is None:
                    raise SandboxError(f"environment {name} did not arrive on node {self.name}")
                self._held[name] = held
            return self._held[name]

    def _changing(self, name: str) -> threading.Lock:
        """Held while an environment comes or goes."""
        with self._lock:
            return self._moving.setdefault(name, threading.Lock())

    def _send(self, source: Source) -> None:
        """Send its pieces in order, one while the next is read: so memory stays small."""
        under_way: Future[Any] | None = None
        size = 0
        try:
            for number, piece in enumerate(pieces_of(source.environment)):
                if under_way is not None:
                    under_way.result()
                under_way = self.call("receive", source.environment, number, piece, group="moving")
                size += len(piece)
            if under_way is not None:
                under_way.result()
            self.call("received", source.environment, size, group="moving").result()
        except BaseException:
            self.tell("forget", source.environment.name)
            raise

    def evict(self, name: str) -> None:
        """Remove an environment that nothing uses. Raises SandboxError."""
        with self._changing(name):
            self._held.pop(name, None)
            self.call("evict", name, group="moving").result()

    def forget(self, unknown: Unknown, name: str) -> None:
        """What the node does not have is sent again."""
        for key in unknown.keys:
            self.sent.forget(key)
        if unknown.environment:
            self._held.pop(name, None)

    def tell(self, method: str, *arguments: Any) -> None:
        """Call a method whose answer nobody waits for."""
        with suppress(SandboxError):
            self.call(method, *arguments)

    def end(self) -> Any:
        """Have the agent end what runs; returns what to wait for before `kill`."""
        with suppress(Exception):
            return self._agent.close.options(concurrency_group="control").remote()

    def kill(self) -> None:
        """End the agent."""
        import ray

        with suppress(Exception):
            ray.kill(self._agent)

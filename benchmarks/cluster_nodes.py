"""Simulated nodes for the driver of a cluster: agents that sleep instead of running anything, without Ray between.

What stands in is the agent of a node and what starts and calls it through Ray: one object for each node, whose methods
answer when their time has come. Everything above is the real driver: placement, its handles of nodes, heartbeats, what
was sent where.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from typing import Any, TypeGuard
from unittest import mock

from sandboxes.cluster import driver
from sandboxes.cluster.driver import RaySandbox
from sandboxes.cluster.handle import Found
from sandboxes.cluster.messages import Done, Facts, Order, Source, Unknown
from sandboxes.cluster.texts import Ref, hash_of

CORES = 16
MEMORY_MB = CORES * 4096
VERSION = version("codemonkeys")
DISK_MB = 200 * 1024

MEDIAN, SPREAD, MOST = 2.15, 1.375, 100.0
"""Of the seconds of an execution, log-normal: the 475 executions of real tasks by the runs that `benchmarks.desk` tells
of, in the local sandbox on two cores (5 % took 0.4 s or less, 25 % 0.7, 50 % 1.6, 75 % 6.4, 90 % 15, 95 % 22, 99 % 43,
their mean 5.5), and the time limit of an execution."""
IMAGE_MB, MB_A_SECOND = 2500.0, 100.0
"""Of the image of a task, and what a node receives."""
FILTER_BITS = 1 << 19
"""Of what an agent knows of texts: of a thousand, another one would count as known with a probability of 0.2 %."""
PRINTED = "\n".join(f"{number:3} {{0}} " + "." * 60 for number in range(40))
"""What an execution prints: lines that are those of its script, before one that is its own; 3,000 characters."""


def drawn_seconds(script: bytes, patch: bytes) -> float:
    """How long an execution lasts: drawn by the hashes of its texts, an empty one for no patch."""
    return min(MEDIAN * random.Random(script + patch).lognormvariate(0, SPREAD), MOST)


def seconds_of(script: str, patch: str | None) -> float:
    """How long an execution lasts."""
    return drawn_seconds(hash_of(script), b"" if patch is None else hash_of(patch))


class Clock:
    """Sets results of futures when their time has come, in one thread. `faster`: seconds of the simulation in one."""

    def __init__(self, faster: float) -> None:
        self._faster = faster
        self._due: list[tuple[float, int, Future[Any], Callable[[], Any]]] = []
        self._numbers = itertools.count()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)
        self._thread.start()

    def after(self, seconds: float, action: Callable[[], Any]) -> Future[Any]:
        """The result of an action, so many seconds of the simulation from now."""
        future: Future[Any] = Future()
        due = time.monotonic() + seconds / self._faster
        with self._changed:
            heapq.heappush(self._due, (due, next(self._numbers), future, action))
            if self._due[0][2] is future:
                self._changed.notify()
        return future

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (not self._due or self._due[0][0] > time.monotonic()):
                    self._changed.wait(self._due[0][0] - time.monotonic() if self._due else None)
                if self._closed:
                    return
                _, _, future, action = heapq.heappop(self._due)
            future.set_result(action())


class Agent:
    """The agent of a node, with those methods of `sandboxes.cluster.node.NodeAgent` that a driver calls."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known = bytearray(b"\xff") * (FILTER_BITS // 8)
        """A bit for each text that it was sent is cleared, by its hash: the texts themselves would be in the memory of
        another machine, and even a set of their hashes would grow."""
        self._held: dict[str, float] = {}
        self._lock = threading.Lock()
        self.running = self.most = self.executions = self.moves = 0

    def __getattr__(self, name: str) -> _Method:
        return _Method(getattr(type(self), f"do_{name}").__get__(self))

    def do_start(self) -> Future[Any]:
        """The facts of the node."""
        return self.do_facts()

    def do_facts(self) -> Future[Any]:
        """The facts of the node."""
        free = DISK_MB - int(sum(self._held.values()))
        return self._clock.after(0, lambda: Facts(CORES, MEMORY_MB, free, VERSION, held=self._held))

    def do_hold(self, source: Source) -> Future[Any]:
        """Pull an image, or whatever an environment is."""
        name = source.environment.name

        def arrived() -> float:
            self._held[name] = IMAGE_MB
            return IMAGE_MB

        self.moves += name not in self._held
        return self._clock.after(0 if name in self._held else IMAGE_MB / MB_A_SECOND, arrived)

    def do_evict(self, name: str) -> Future[Any]:
        """Remove an environment."""
        return self._clock.after(0, lambda: self._held.pop(name, None))

    def do_carry_out(self, order: Order, texts: dict[bytes, str], layers: object) -> Future[Any]:
        """Sleep as long as the execution lasts."""
        for key in texts:
            place, bit = _place_of(key)
            self._known[place] &= ~bit
        script, patch = _hash_of(order.script), _hash_of(order.patch)
        if missing := tuple(text.hash for text in (order.script, order.patch) if self._lacks(text)):
            return self._clock.after(0, lambda: Unknown(missing))
        assert order.environment in self._held
        with self._lock:
            self.running += 1
            self.most = max(self.most, self.running)
        seconds = drawn_seconds(script, patch)
        return self._clock.after(seconds, partial(self._ended, script, seconds))

    def do_release(self, image: str) -> Future[Any]:
        """Nothing is kept ready."""
        return self._clock.after(0, lambda: None)

    def do_close(self) -> Future[Any]:
        """Nothing is open."""
        return self._clock.after(0, lambda: None)

    def _lacks(self, given: str | Ref | None) -> TypeGuard[Ref]:
        if not isinstance(given, Ref):
            return False
        place, bit = _place_of(given.hash)
        return bool(self._known[place] & bit)

    def _ended(self, script: bytes, seconds: float) -> Done:
        with self._lock:
            self.running -= 1
            self.executions += 1
        printed = f"{PRINTED.format(script.hex()[:8])}\nended after {seconds} s"
        return Done(("exited", 0, None, printed, seconds, ""))


def _place_of(key: bytes) -> tuple[int, int]:
    number = int.from_bytes(key[:4]) % FILTER_BITS
    return number >> 3, 1 << (number & 7)


def _hash_of(given: str | Ref | None) -> bytes:
    return b"" if given is None else given.hash if isinstance(given, Ref) else hash_of(given)


class _Method:
    """A method of an actor, as Ray has them."""

    def __init__(self, call: Callable[..., Future[Any]]) -> None:
        self._call = call

    def options(self, **options: Any) -> _Method:
        return self

    def remote(self, *arguments: Any) -> _Reference:
        return _Reference(self._call(*arguments))


class _Reference:
    """What a call gives at once."""

    def __init__(self, answer: Future[Any]) -> None:
        self.future = lambda: answer


@contextmanager
def simulated_cluster(nodes: int, faster: float) -> Iterator[tuple[RaySandbox, list[Agent]]]:
    """The driver of a cluster of so many simulated nodes, and their agents."""
    clock, agents = Clock(faster), list[Agent]()

    def start(*arguments: Any) -> Agent:
        agents.append(Agent(clock))
        return agents[-1]

    kind = mock.Mock()
    kind.options.return_value.remote = start
    found = [Found(f"{number:056x}", f"node {number}", CORES, MEMORY_MB) for number in range(nodes)]
    with (
        mock.patch("ray.remote", lambda **options: lambda agent: kind),
        mock.patch("ray.wait"),
        mock.patch("ray.kill"),
        mock.patch.object(driver, "Connection", mock.Mock()),
        mock.patch.object(driver, "living", lambda: found),
    ):
        sandbox = RaySandbox("benchmark")
        try:
            yield sandbox, agents
        finally:
            sandbox.close()
            clock.close()

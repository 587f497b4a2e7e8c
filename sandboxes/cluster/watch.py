"""Watches the nodes of a cluster: those that come, those that go, and those that do not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from sandboxes.cluster.handle import CLOSING, Found, Node, NodeLost
from sandboxes.cluster.messages import Facts

EVERY = 10.0
"""Seconds between two heartbeats of a node."""
PATIENCE = 30.0
"""Seconds without an answer after which a node is suspect, and what it has under way is given up."""
FIRST = 10.0
"""Seconds that the first node has to appear, once the cluster tells of nodes at all."""
STARTING = 300.0
"""Seconds that an agent has to start."""
MOST_DEATHS = 5
"""Agents that may die on a node, without an answer between, before it is left alone."""


class Listener(Protocol):
    """Who is told of what becomes of nodes."""

    def start(self, found: Found) -> Node:
        """Start an agent on a node."""
        ...

    def added(self, node: Node, facts: Facts) -> None:
        """Its agent has started."""
        ...

    def answered(self, node: Node, facts: Facts) -> None:
        """It answers."""
        ...

    def is_suspect(self, node: Node) -> bool:
        """Whether it is to be asked if it is well."""
        ...

    def suspect(self, node: Node, why: str) -> None:
        """It does not answer, or is not well."""
        ...

    def removed(self, node: Node, why: str) -> None:
        """It is no more."""
        ...

    def refused(self, found: Found, why: str) -> None:
        """It cannot be used."""
        ...


@dataclass
class _Watched:
    found: Found
    node: Node
    beat: Future[Any]
    asked: float
    """When the heartbeat was asked for."""
    up: bool = False
    lost: bool = False


class Watch:
    """Looks after the nodes in a thread of its own."""

    def __init__(
        self,
        listener: Listener,
        find: Callable[[], list[Found]],
        check: Callable[[Facts], str],
        every: float = EVERY,
        patience: float = PATIENCE,
    ) -> None:
        """`find`: lists the nodes that live. `check`: why a node cannot be used; empty if it can."""
        self._listener, self._find, self._check = listener, find, check
        self._every, self._patience = every, patience
        self._watched: dict[str, _Watched] = {}
        self._refused: set[str] = set()
        self._deaths: dict[str, int] = {}
        self._closed, self._wanted = False, threading.Event()
        self._listing: Future[list[Found]] | None = None
        """What lists the nodes now."""
        self._began = time.monotonic()
        self.settled = threading.Event()
        """Every node that was there at the beginning has answered, or failed; after a while one that is up will do."""
        self._thread = threading.Thread(target=self._run, name="codemonkeys-watch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def look(self) -> None:
        """Look now: something has been seen."""
        self._wanted.set()

    def close(self) -> None:
        """Look no more."""
        self._closed = True
        self._wanted.set()
        if self._thread.is_alive():
            self._thread.join(CLOSING)

    def _run(self) -> None:
        while not self._closed:
            self._wanted.clear()
            try:
                self._look()
            except Exception as error:  # the cluster itself may be away
                for watched in list(self._watched.values()):
                    self._doubt(watched, f"the cluster does not answer: {error}")
            if not self.settled.is_set() and self._is_settled():
                self.settled.set()
            self._wanted.wait(min(self._every, self._patience / 3) if self._watched else 0.2)

    def _is_settled(self) -> bool:
        if not self._watched and not self._refused:
            return time.monotonic() - self._began > (FIRST if self._listing is None else STARTING)
        if any(watched.up for watched in self._watched.values()) and time.monotonic() - self._began > self._patience:
            return True
        return all(watched.up or watched.lost for watched in self._watched.values())

    def _look(self) -> None:
        for watched in list(self._watched.values()):
            with suppress(NodeLost):  # it has just been found dead
                self._hear(watched)
        if (listed := self._listed()) is None:
            return
        found = {node.id: node for node in listed}
        for id in self._watched.keys() - found.keys():
            watched = self._watched.pop(id)
            self._listener.removed(watched.node, f"node {watched.found.name} has left the cluster")
        for id, node in found.items():
            if id not in self._watched and id not in self._refused:
                self._watched[id] = watched = _Watched(node, self._listener.start(node), Future(), time.monotonic())
                self._ask(watched, "start")

    def _listed(self) -> list[Found] | None:
        """The nodes that live; None while the cluster does not say: where its head hangs, Ray waits for ever."""
        if self._listing is None:
            self._listing = listing = Future[list[Found]]()

            def find() -> None:
                try:
                    listing.set_result(self._find())
                except Exception as error:
                    listing.set_exception(error)

            threading.Thread(target=find, name="codemonkeys-listing", daemon=True).start()
        if wait([self._listing], self._every).not_done:
            return None
        listed, self._listing = self._listing, None
        return listed.result()

    def _hear(self, watched: _Watched) -> None:
        now = time.monotonic()
        if watched.node.dead:
            self._ended(watched, watched.node.dead)
        elif not watched.beat.done():
            if now - watched.asked > (self._patience if watched.up else STARTING):
                self._doubt(watched, f"node {watched.found.name} has not answered for {now - watched.asked:.0f} s")
        elif (error := watched.beat.exception()) is not None:
            self._ended(watched, str(error))
        else:
            self._answered(watched, watched.beat.result(), now)

    def _answered(self, watched: _Watched, facts: Facts, now: float) -> None:
        if not watched.up:
            if why := self._check(facts):
                self._refuse(watched, why)
                return
            watched.up = True
            self._listener.added(watched.node, facts)
        elif (facts.probed and not facts.trouble) or watched.lost or now - watched.asked >= self._every:
            self._listener.answered(watched.node, facts)
        elif facts.trouble or not self._listener.is_suspect(watched.node):
            return  # it is asked again in time
        self._deaths.pop(watched.found.id, None)
        watched.lost = False
        watched.node.find()
        # What fails again and again may answer nonetheless: it is asked to try itself.
        self._ask(watched, "probe" if self._listener.is_suspect(watched.node) else "facts")

    def _ask(self, watched: _Watched, method: str) -> None:
        watched.beat, watched.asked = watched.node.call(method), time.monotonic()
        if method != "facts":
            watched.beat.add_done_callback(lambda _: self._wanted.set())

    def _doubt(self, watched: _Watched, why: str) -> None:
        if not watched.lost:
            watched.lost = True
            watched.node.lose(why, keep=watched.beat)
            self._listener.suspect(watched.node, why)

    def _ended(self, watched: _Watched, why: str) -> None:
        """The agent has died: another one is started, unless that happens again and again."""
        id = watched.found.id
        del self._watched[id]
        self._listener.removed(watched.node, why)
        watched.node.kill()
        self._deaths[id] = self._deaths.get(id, 0) + 1
        if self._deaths[id] >= MOST_DEATHS:
            self._refused.add(id)
            self._listener.refused(watched.found, f"its agent died {MOST_DEATHS} times in a row: {why}")

    def _refuse(self, watched: _Watched, why: str) -> None:
        del self._watched[watched.found.id]
        self._refused.add(watched.found.id)
        watched.node.kill()
        self._listener.refused(watched.found, why)

"""Watches the nodes of a cluster: those that come, those that go, and those that do not answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sandboxes.base import SandboxError
from sandboxes.cluster.handle import Node
from sandboxes.cluster.messages import Facts

EVERY = 2.0
"""Seconds between heartbeats."""
PATIENCE = 20.0
"""Seconds without an answer after which a node is suspect, and what it had under way is given up."""
FIRST = 10.0
"""Seconds that the first node has to appear."""
STARTING = 120.0
"""Seconds that an agent has to start."""
MOST_DEATHS = 3
"""Agents that may die on a node before it is left alone."""


class Found(NamedTuple):
    """A node as Ray lists it."""

    id: str
    name: str
    cores: int
    memory_mb: int


class Members(Protocol):
    """Who is told of what becomes of nodes."""

    def start(self, found: Found) -> Node:
        """Start an agent on a node."""
        ...

    def added(self, node: Node, facts: Facts) -> None:
        """Its agent has started, or answers again."""
        ...

    def suspect(self, node: Node, why: str) -> None:
        """It does not answer."""
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
    """When the beat that is under way was asked for."""
    up: bool = False
    suspect: bool = False


class Watch:
    """Looks after the nodes in a thread of its own."""

    def __init__(self, members: Members, find: Callable[[], list[Found]], check: Callable[[Facts], str]) -> None:
        """`find`: lists the nodes that live. `check`: why a node cannot be used; empty if it can."""
        self._members, self._find, self._check = members, find, check
        self._watched: dict[str, _Watched] = {}
        self._refused: set[str] = set()
        self._deaths: dict[str, int] = {}
        self._closed = threading.Event()
        self._began = time.monotonic()
        self.settled = threading.Event()
        """Every node that was there at the beginning has answered, or failed."""
        self._thread = threading.Thread(target=self._run, name="codemonkeys-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self._look()
            except Exception as error:  # the cluster itself may be away: its nodes are then suspect
                for watched in list(self._watched.values()):
                    self._doubt(watched, f"the cluster does not answer: {error}")
            if not self.settled.is_set() and self._is_settled():
                self.settled.set()
            if self._closed.wait(EVERY if self.settled.is_set() else 0.05):
                return

    def _is_settled(self) -> bool:
        if not self._watched and not self._refused:
            return time.monotonic() - self._began > FIRST
        return all(watched.up or watched.suspect for watched in self._watched.values())

    def _look(self) -> None:
        found = {node.id: node for node in self._find()}
        for id in self._watched.keys() - found.keys():
            watched = self._watched.pop(id)
            self._members.removed(watched.node, f"node {watched.found.name} is no longer part of the cluster")
        for id, node in found.items():
            if id not in self._watched and id not in self._refused:
                handle = self._members.start(node)
                self._watched[id] = _Watched(node, handle, handle.call("start", group="control"), time.monotonic())
        for watched in list(self._watched.values()):
            self._beat(watched)

    def _beat(self, watched: _Watched) -> None:
        now = time.monotonic()
        if not watched.beat.done():
            if now - watched.asked > (PATIENCE if watched.up else STARTING):
                self._doubt(watched, f"node {watched.found.name} has not answered for {now - watched.asked:.0f} s")
            return
        error = watched.beat.exception()
        if error is not None:
            self._ended(watched, str(error))
            return
        facts: Facts = watched.beat.result()
        if not watched.up and (why := self._check(facts)):
            self._refuse(watched, why)
            return
        watched.up, watched.suspect = True, False
        watched.node.facts = facts
        watched.node.find()
        self._members.added(watched.node, facts)
        watched.beat, watched.asked = watched.node.call("facts", group="control"), now

    def _doubt(self, watched: _Watched, why: str) -> None:
        if not watched.suspect:
            watched.suspect = True
            watched.node.lose(why, keep=watched.beat)
            self._members.suspect(watched.node, why)

    def _ended(self, watched: _Watched, why: str) -> None:
        """The agent has died: another one is started, unless that happens again and again."""
        id = watched.found.id
        del self._watched[id]
        self._members.removed(watched.node, why)
        watched.node.kill()
        self._deaths[id] = self._deaths.get(id, 0) + 1
        if self._deaths[id] >= MOST_DEATHS:
            self._refused.add(id)
            self._members.refused(watched.found, f"its agent has died {MOST_DEATHS} times; the last time: {why}")

    def _refuse(self, watched: _Watched, why: str) -> None:
        del self._watched[watched.found.id]
        self._refused.add(watched.found.id)
        watched.node.kill()
        self._members.refused(watched.found, why)


__all__ = ["Found", "Members", "SandboxError", "Watch"]

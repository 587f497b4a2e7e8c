"""Runs of a `local` sandbox that were begun ahead: a process in its control group and namespaces, waiting for a plan.

The kernel takes its time to move a process to another control group, longer than it takes to build the new root; here
that time passes while an earlier script runs. A run that was begun is used once, like any other.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from sandboxes.base import Limits
from sandboxes.cgroups import Group
from sandboxes.launcher import Process

_MOST = 16
"""Runs that wait at most; the one that has waited for longest goes first."""


@dataclass(frozen=True)
class Begun:
    """A run that waits for its plan, in a control group with these limits, or in none where groups cannot be used."""

    limits: Limits
    group: Group | None
    process: Process

    def fits(self, limits: Limits) -> bool:
        """Whether its control group is as these limits want it; the others are part of the plan."""
        return all(getattr(self.limits, name) == getattr(limits, name) for name in ("memory_mb", "processes", "cpus"))

    def end(self) -> None:
        """End it, if it has not ended, and remove its control group."""
        self.process.end()
        if self.group:
            self.group.remove()


class Spares:
    """Holds what was begun ahead; safe to call from many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[Begun] = deque()
        self._closed = False

    def take(self, limits: Limits) -> Begun | None:
        """One that fits and still waits, or None."""
        while True:
            with self._lock:
                begun = next((one for one in self._waiting if one.fits(limits)), None)
                if begun is None:
                    return None
                self._waiting.remove(begun)
            if begun.process.waits():
                return begun
            begun.end()

    def add(self, begun: Begun) -> None:
        """Keep one for later."""
        with self._lock:
            self._waiting.append(begun)
            surplus = list(self._waiting) if self._closed else [self._waiting[0]] if len(self._waiting) > _MOST else []
            for one in surplus:
                self._waiting.remove(one)
        for one in surplus:
            one.end()

    def close(self) -> None:
        """End all of them, and what is added from now on."""
        with self._lock:
            self._closed = True
            left, self._waiting = self._waiting, deque()
        for begun in left:
            begun.end()

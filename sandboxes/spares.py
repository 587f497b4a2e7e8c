"""Runs of a `local` sandbox that were started ahead: processes in their control group, namespaces and root, without a
script.

What does not depend on a script is done behind an earlier one in the same environment. Each run is used once, like any
other.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from sandboxes.base import Limits
from sandboxes.cgroups import Group, remove_busy
from sandboxes.launcher import Process
from sandboxes.plans import Ground

_MOST = 12
"""Maximum number of waiting runs; the oldest is ended first."""
_PATIENCE = 1.0
"""Seconds to wait for processes that are still exiting."""


@dataclass(frozen=True)
class StartedRun:
    """A run that waits for its task, in a control group with these limits; None where groups cannot be used."""

    limits: Limits
    ground: Ground
    group: Group | None
    process: Process

    def fits(self, limits: Limits, ground: Ground) -> bool:
        """Whether its control group enforces these limits, and its root is this; other limits come with the task."""
        names = ("memory_mb", "processes", "cpus")
        return self.ground == ground and all(getattr(self.limits, name) == getattr(limits, name) for name in names)

    def end(self) -> None:
        """End it if it still runs, and remove its control group."""
        self.process.end()
        if self.group:
            self.group.remove()

    def leave(self) -> None:
        """The same, without waiting until that is done."""
        self.process.end()
        if self.group:
            self.group.abandon()


class Spares:
    """Runs that were started ahead. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[StartedRun] = deque()
        self._closed = False

    def take(self, limits: Limits, ground: Ground) -> StartedRun | None:
        """A waiting run with these limits on this ground, or None."""
        while True:
            with self._lock:
                run = next((waiting for waiting in self._waiting if waiting.fits(limits, ground)), None)
                if run is None:
                    return None
                self._waiting.remove(run)
            if run.process.waits():
                return run
            run.end()

    def add(self, run: StartedRun) -> None:
        """Keep a run for later."""
        with self._lock:
            self._waiting.append(run)
            surplus = list(self._waiting) if self._closed else [self._waiting[0]] if len(self._waiting) > _MOST else []
            for oldest in surplus:
                self._waiting.remove(oldest)
        for oldest in surplus:
            oldest.end()

    def close(self) -> None:
        """End all runs, including any added later."""
        with self._lock:
            self._closed = True
            left, self._waiting = self._waiting, deque()
        for run in left:
            run.end()
        remove_busy(_PATIENCE)

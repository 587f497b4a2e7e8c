"""Runs of a `local` sandbox that were started ahead: processes in their control group and namespaces without a plan.

Moving a process to another control group takes the kernel longer than building the new root; starting runs ahead hides
that time behind an earlier script. Each run is used once, like any other.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from sandboxes.base import Limits
from sandboxes.cgroups import Group
from sandboxes.launcher import Process

_MOST = 16
"""Maximum number of waiting runs; the oldest is ended first."""


@dataclass(frozen=True)
class StartedRun:
    """A run that waits for its plan, in a control group with these limits; None where groups cannot be used."""

    limits: Limits
    group: Group | None
    process: Process

    def fits(self, limits: Limits) -> bool:
        """Whether its control group enforces these limits; other limits come with the plan."""
        return all(getattr(self.limits, name) == getattr(limits, name) for name in ("memory_mb", "processes", "cpus"))

    def end(self) -> None:
        """End it if it still runs, and remove its control group."""
        self.process.end()
        if self.group:
            self.group.remove()


class Spares:
    """Runs that were started ahead. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[StartedRun] = deque()
        self._closed = False

    def take(self, limits: Limits) -> StartedRun | None:
        """A waiting run with these limits, or None."""
        while True:
            with self._lock:
                run = next((waiting for waiting in self._waiting if waiting.fits(limits)), None)
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

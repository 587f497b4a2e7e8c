"""Runs of a `local` sandbox that were started ahead: processes in their control group, namespaces and root, without a
script.

What does not depend on a script is done behind an earlier one in the same environment. Each run is used once, like any
other.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple

from sandboxes.base import Limits, SandboxError
from sandboxes.cgroups import Group, create, remove_busy
from sandboxes.launcher import Launcher, Process
from sandboxes.plans import HELPERS, Ground, accounting

_MOST = 12
"""Maximum number of waiting runs; the oldest is ended first."""
_PATIENCE = 5.0
"""Seconds to wait for a run that is being started, and for processes that are still exiting."""


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


class Starter(NamedTuple):
    """Starts runs."""

    launcher: Launcher
    parents: dict[str, Path]
    """Of control groups, see `cgroups.parents`."""

    def start(self, limits: Limits, ground: Ground) -> StartedRun:
        """Start a run. Raises SandboxError, OSError."""
        group = create(limits, HELPERS, self.parents)
        if group is None and not ground["unaccounted"]:
            ground = ground | accounting(limits, grouped=False)
        try:
            return StartedRun(limits, ground, group, self.launcher.start(group.entrances if group else [], ground))
        except (SandboxError, OSError):
            if group:
                group.remove()
            raise


class Spares:
    """Runs that are started ahead, in a thread. Thread-safe."""

    def __init__(self, starter: Starter) -> None:
        self._starter = starter
        self._lock = threading.Lock()
        self._waiting: deque[StartedRun] = deque()
        self._orders: SimpleQueue[tuple[Limits, Ground] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._closed = False

    def take(self, limits: Limits, ground: Ground) -> StartedRun:
        """A waiting run with these limits on this ground, or else a new one. Raises SandboxError, OSError."""
        while True:
            with self._lock:
                run = next((waiting for waiting in self._waiting if waiting.fits(limits, ground)), None)
                if run is None:
                    break
                self._waiting.remove(run)
            if run.process.waits():
                return run
            run.end()
        return self._starter.start(limits, ground)

    def order(self, limits: Limits, ground: Ground) -> None:
        """Have a run started for later."""
        self._orders.put((limits, ground))
        with self._lock:
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._work, name="codemonkeys-spares", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        while (order := self._orders.get()) is not None:
            if not self._closed:
                with contextlib.suppress(OSError, SandboxError):  # without a spare, the next run is started when needed
                    self._add(self._starter.start(*order))

    def _add(self, run: StartedRun) -> None:
        with self._lock:
            self._waiting.append(run)
            surplus = list(self._waiting) if self._closed else [self._waiting[0]] if len(self._waiting) > _MOST else []
            for oldest in surplus:
                self._waiting.remove(oldest)
        for oldest in surplus:
            oldest.end()

    def close(self) -> None:
        """End all runs that wait; none is started any more."""
        with self._lock:
            self._closed = True
        if self._thread:
            self._orders.put(None)
            self._thread.join(_PATIENCE)
        with self._lock:
            left, self._waiting = self._waiting, deque()
        for run in left:
            run.end()
        remove_busy(_PATIENCE)

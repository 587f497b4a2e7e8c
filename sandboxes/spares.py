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


class _Order(NamedTuple):
    """A run that is wanted."""

    limits: Limits
    ground: Ground

    def __eq__(self, other: object) -> bool:
        """Whether one run can do for both: the limits of its control group, and its root. Others come with the task."""
        if not isinstance(other, (_Order, StartedRun)):
            return NotImplemented
        names = ("memory_mb", "processes", "cpus")
        same = all(getattr(self.limits, name) == getattr(other.limits, name) for name in names)
        return same and self.ground == other.ground


class Spares:
    """Runs that are started ahead, in a thread. Thread-safe.

    Each run that was taken has one ordered in its place: there are as many as have been under way at a time.
    """

    def __init__(self, starter: Starter) -> None:
        self._starter = starter
        self._changed = threading.Condition()
        self._waiting: deque[StartedRun] = deque()
        self._orders: deque[_Order] = deque()
        self._starting: list[_Order] = []
        self._thread: threading.Thread | None = None
        self._closed = False

    def take(self, limits: Limits, ground: Ground) -> StartedRun:
        """A waiting run with these limits on this ground, or else a new one. Raises SandboxError, OSError."""
        while (run := self._next(_Order(limits, ground))) is not None:
            if run.process.waits():
                return run
            run.end()
        return self._starter.start(limits, ground)

    def _next(self, order: _Order) -> StartedRun | None:
        """A waiting run, once it has been started if that is under way; None if the caller is to start one."""
        with self._changed:
            while True:
                for run in self._waiting:
                    if order == run:
                        self._waiting.remove(run)
                        return run
                if order in self._starting:
                    self._changed.wait()
                    continue
                if order in self._orders:
                    self._orders.remove(order)
                return None

    def order(self, limits: Limits, ground: Ground) -> None:
        """Have a run started for later."""
        with self._changed:
            self._orders.append(_Order(limits, ground))
            self._changed.notify_all()
            if self._thread is None and not self._closed:
                thread = threading.Thread(target=self._work, name="codemonkeys-spares", daemon=True)
                with contextlib.suppress(RuntimeError):  # there is none to be had: runs are started when needed
                    thread.start()
                    self._thread = thread

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._orders or self._closed)
                if self._closed:
                    return
                self._starting = [self._orders.popleft()]
            surplus = []
            with contextlib.suppress(Exception):  # without a spare, the next run is started when needed
                run = self._starter.start(*self._starting[0])
                with self._changed:
                    self._waiting.append(run)
                    most = 0 if self._closed else _MOST
                    surplus = [self._waiting.popleft()] if len(self._waiting) > most else []
            with self._changed:
                self._starting = []
                self._changed.notify_all()
            for oldest in surplus:
                oldest.end()

    def close(self) -> None:
        """End all runs that wait; none is started any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        # Where nobody called this, a collection of garbage does, in any thread.
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(_PATIENCE)
        with self._changed:
            left, self._waiting = self._waiting, deque()
        for run in left:
            run.end()
        remove_busy(_PATIENCE)

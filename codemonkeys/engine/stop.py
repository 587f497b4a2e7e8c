"""Stopping a run from outside: gently, or at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Stop:
    """Stops a run, from any thread or signal handler; hand it to `solve` or `ensemble` as `stop`.

    `drain`: steps in flight end and are stored, nothing new begins, and the session returns. `abort`: calls in flight
    are cancelled (they stay on the bill at their upper bound), executions are killed, and the session raises
    RunInterrupted. Either way the run can be resumed.
    """

    def __init__(self) -> None:
        # A signal handler may come in while its own thread has the lock.
        self._lock = threading.RLock()
        self._on_abort: list[Callable[[], object]] = []
        self.draining = False
        """Whether nothing new may begin."""
        self.aborted = False

    def drain(self) -> None:
        """Let steps in flight end and begin nothing new."""
        self.draining = True

    def abort(self) -> None:
        """Give up what is in flight."""
        with self._lock:
            self.draining = self.aborted = True
            callbacks = list(self._on_abort)
        for callback in callbacks:
            callback()

    @contextmanager
    def calling(self, callback: Callable[[], object]) -> Iterator[None]:
        """Within the block, an abort calls back, from the thread that aborts; at once if it has happened already."""
        with self._lock:
            self._on_abort.append(callback)  # Before the look: an abort in between calls it.
            aborted = self.aborted
        try:
            if aborted:
                callback()
            yield
        finally:
            with self._lock:
                self._on_abort.remove(callback)

"""One thread for all executions under way on a cluster: what happens to them is handled there, in turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue

from sandboxes.base import SandboxError

LOOK = 5.0
"""Seconds between two looks whether what waits can start at all."""


class Dispatcher:
    """Calls what it is given in a thread of its own, in order; nothing that it is given may wait, or raise."""

    def __init__(self, look: Callable[[], None]) -> None:
        """`look`: called every few seconds."""
        self._look, self._looked = look, time.monotonic()
        self._given: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="codemonkeys-executions", daemon=True)
        self._thread.start()

    def soon(self, action: Callable[[], None]) -> None:
        """Have it called; from any thread."""
        self._given.put(action)
        if self._ended:
            self._finish()

    def aside(self, action: Callable[[], None], then: Callable[[Exception | None], None]) -> None:
        """Call something that waits, in another thread, then tell here whether it failed."""

        def act() -> None:
            failed: Exception | None = None
            try:
                action()
            except Exception as error:
                failed = error
            self.soon(lambda: then(failed))

        try:
            threading.Thread(target=act, name="codemonkeys-moving", daemon=True).start()
        except RuntimeError as error:  # there are as many as this machine allows
            then(SandboxError(str(error)))

    def close(self) -> None:
        """End the thread; what is given later is called at once."""
        self._given.put(None)

    def _run(self) -> None:
        while True:
            try:
                action = self._given.get(timeout=LOOK)
            except Empty:
                action = self._look
            if action is None:
                break
            action()
            if (now := time.monotonic()) - self._looked >= LOOK:
                self._looked = now
                self._look()
        self._ended = True
        self._finish()

    def _finish(self) -> None:
        """Call what was given after the end."""
        with suppress(Empty):
            while True:
                if (action := self._given.get_nowait()) is not None:
                    action()

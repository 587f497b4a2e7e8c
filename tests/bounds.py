"""Bounds for what a test waits for: it fails instead of waiting for ever."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol


class Process(Protocol):
    """A process that a test has started."""

    def kill(self) -> None:
        """End it, if it has not ended."""
        ...


@contextmanager
def killed_after(seconds: float, process: Process) -> Iterator[None]:
    """Kill a process if the block, which waits for its words or its end, takes longer than so many seconds."""
    timer = threading.Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()

"""Locks on files between processes, which the operating system releases when a process ends."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable
from typing import IO

LOCK_SECONDS = 0.05
"""Between two looks at a lock: who waits in the lock itself cannot be told to stop."""


def take(file: IO[str], is_given_up: Callable[[], bool]) -> bool:
    """Wait for the exclusive lock of a file, which its closing releases; False if that is given up before."""
    while not taken(file):
        if is_given_up():
            return False
        time.sleep(LOCK_SECONDS)
    return True


def taken(file: IO[str]) -> bool:
    """Take the lock, if nobody else holds it; whether that was so."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

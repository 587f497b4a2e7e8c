"""Unambiguous identification of processes: process ids alone are reused."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path


def process_start(pid: int) -> str:
    """Start time of a process in kernel ticks, which identifies it together with its pid; empty if it is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def pid_namespace() -> str:
    """Identifies the namespace in which process ids of this process mean something; empty if that is unknown."""
    with suppress(OSError):
        return str(os.stat("/proc/self/ns/pid").st_ino)
    return ""

"""Processes of this machine, told apart for good: a number alone is given again."""

from __future__ import annotations

from pathlib import Path


def process_start(pid: int) -> str:
    """When a process started, in the kernel's ticks; with the pid it names a process for good. Empty if it is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""

"""Unambiguous identification of processes: process ids alone are reused."""

from __future__ import annotations

from pathlib import Path


def process_start(pid: int) -> str:
    """Start time of a process in kernel ticks, which identifies it together with its pid; empty if it is dead."""
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8", errors="replace").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""

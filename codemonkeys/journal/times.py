"""How the journal writes a moment."""

from __future__ import annotations

from datetime import UTC, datetime


def now() -> str:
    """The current time in the journal's format: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")

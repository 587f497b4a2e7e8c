"""What a run tells while it goes on, for displays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Event:
    """Something happened that a display may show."""

    kind: str
    """`task`, `call`, `execution`, `retry` (its stage is the HTTP status) or `note`."""
    task: str
    stage: str
    text: str = ""


Notify = Callable[[Event], None]


def note(text: str) -> Event:
    """An event that is only a message."""
    return Event("note", "", "", text)


def silent(event: Event) -> None:
    """Tell nobody."""

"""What was decided about a task before, and is not decided again."""

from __future__ import annotations

from typing import Any

from codemonkeys.engine.work import Work
from codemonkeys.journal.decisions import STAGE
from codemonkeys.models.base import RecordedDecisions


def noted(work: Work, kind: str, at: int) -> Any:
    """What was decided when so many samples of a task had been drawn: here, or in what is replayed."""
    body = work.journal.note(work.task.id, STAGE, at, kind)
    if body is None and isinstance(work.models.primary, RecordedDecisions):
        body = work.models.primary.decision(work.task.id, kind, at)
    return body


async def note_decided(work: Work, kind: str, at: int, body: Any) -> None:
    """Record what was decided, durable when this returns; once, also where it was read from what is replayed."""
    if work.journal.note(work.task.id, STAGE, at, kind) is None:
        await work.note(STAGE, kind, body, at)

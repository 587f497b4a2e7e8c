"""The key of a step: where in a run an effect happens."""

from __future__ import annotations

from typing import NamedTuple


class StepKey(NamedTuple):
    """Where in a run an effect happens; unique within its kind (model call or execution)."""

    task: str
    stage: str
    """Name of one of `codemonkeys.stages.STAGES`."""
    sample: int = 0
    """Trajectory, repetition or file batch, from 0."""
    turn: int = 0
    """Turn within the conversation, from 0."""
    part: str = ""
    """Tells apart several executions of one turn, such as `original` and `edited`; empty for calls."""

    def __str__(self) -> str:
        words = f"{self.task} {self.stage} sample {self.sample} turn {self.turn} {self.part}"
        return words.rstrip()

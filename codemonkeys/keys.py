"""The key of a step: where in a run an effect happens."""

from __future__ import annotations

from typing import NamedTuple

from codemonkeys.stages import ENVIRONMENT, REGRESSION, SELECT, VOTES, base_stage

APPLIED = "applied"
"""Part of the step that applies a submission, whose number from 0 is the sample; no test script runs in it."""

REPOSITORY_TESTS = "tests "
"""Begins the part of a step that runs the repository's own tests in a conversation; no test script runs in it."""

COMMAND = "command "
"""Begins the part of a step that is a command in a session."""

PROBE = "probe"
"""Ends the part of a step that asks what the environment has to run them."""


class StepKey(NamedTuple):
    """Where in a run an effect happens; unique within its kind (model call or execution)."""

    task: str
    stage: str
    """Name of one of `codemonkeys.stages.STAGES`, of a named choice with its name: `judge@NAME`."""
    sample: int = 0
    """Trajectory, repetition or file batch, from 0."""
    turn: int = 0
    """Turn within the conversation, from 0."""
    part: str = ""
    """Tells apart several executions of one turn, such as `original` and `edited`; empty for calls."""

    def __str__(self) -> str:
        """The key for a reader, who counts samples, tests and turns from 1, as `show` does."""
        if self.part == APPLIED:
            return f"{self.task} {self.stage} submission {self.sample + 1} {self.part}"
        if self.stage == ENVIRONMENT.name:
            return f"{self.task} {self.stage}"
        stage = base_stage(self.stage)
        if stage in (VOTES.name, REGRESSION.name) or (stage == SELECT.name and self.part):
            # Candidates have numbers, from 1; the unedited code has 0.
            on = f"on candidate {self.sample}" if self.sample else "on the unedited code"
            what = {VOTES.name: f"test {self.turn + 1} ", SELECT.name: f"turn {self.turn + 1} "}.get(stage, "")
            if self.stage == VOTES.name and self.part not in ("original", "edited"):
                what = f"{self.part} "  # a control is of several tests
            return f"{self.task} {self.stage} {what}{on}"
        return f"{self.task} {self.stage} sample {self.sample + 1} turn {self.turn + 1} {self.part}".rstrip()

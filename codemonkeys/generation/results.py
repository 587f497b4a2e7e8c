"""What a test script does without and with an edit, and how that is told without saying anything twice."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from codemonkeys.engine.scripts import ISSUE_FIXED, ISSUE_PRESENT, ExecutionView, exit_code
from codemonkeys.engine.work import Work
from codemonkeys.generation.repository_check import RepositoryView
from codemonkeys.models.base import Message
from codemonkeys.stages import EDIT, Stage
from sandboxes.base import Execution

WORTH = 2
"""A difference is told in place of an output that is so many times as long."""


@dataclass(frozen=True)
class Results:
    """A patch and a test script, either of which may be missing, and what the script does."""

    patch: str
    script: str
    original: Execution | None = None
    """On the unedited repository."""
    edited: Execution | None = None

    @property
    def say_fixed(self) -> bool:
        """Whether the script finds the issue without the edit, and not with it."""
        return exit_code(self.original) == ISSUE_PRESENT and exit_code(self.edited) == ISSUE_FIXED


async def run_script(work: Work, sample: int, turn: int, patch: str, script: str, stage: Stage = EDIT) -> Results:
    """Run a test script on the original and on the edited repository, as far as there is a script and an edit."""
    original = edited = None
    if script:
        original = await work.run(stage, sample, turn, "original", script)
        if patch:
            edited = await work.run(stage, sample, turn, "edited", script, patch)
    return Results(patch, script, original, edited)


@dataclass
class ToldResults:
    """What one conversation has been told of results, so that the next message holds only what is new."""

    work: Work
    told: Results

    def tell(self, results: Results, turns_left: int, repository: RepositoryView | None = None) -> Message:
        """The message with results: what was told before is only named, of a long output only what differs.

        `repository`: what the repository's own tests say of the edit, if that is new.
        """
        values = self.values(results, repository)
        return self.work.tell("edit.result", **values, turns_left=turns_left)

    def values(self, results: Results, repository: RepositoryView | None = None) -> dict[str, Any]:
        """What a message tells of results, which count as told from now on."""
        told, self.told = self.told, results
        same_script = told.script == results.script
        original, edited = self.view(results.original), self.view(results.edited)
        before = self.view(told.edited) if same_script else None
        return {
            "patch": results.patch,
            "patch_known": told.patch == results.patch,
            "original": original,
            "original_known": same_script and self.view(told.original) == original,
            "edited": edited,
            "difference": edited and difference(before, original, edited),
            "repository": repository,
        }

    def view(self, execution: Execution | None) -> ExecutionView | None:
        """An execution as it is told."""
        return self.work.show(execution) if execution else None


def difference(
    before: ExecutionView | None, original: ExecutionView | None, edited: ExecutionView
) -> dict[str, Any] | None:
    """How the output of a script differs from one that was told; None if it is better told in full.

    `before`: with the edit before this one, `original`: without an edit. Empty where nothing differs.
    """
    for since, known in (("before", before), ("unedited", original)):
        if known is None:
            continue
        if known.output == edited.output:
            return {"since": since, "output": ""}
        lines = list(difflib.unified_diff(known.output.split("\n"), edited.output.split("\n"), lineterm="", n=2))
        text = "\n".join(lines[2:])
        if WORTH * len(text) < len(edited.output):
            return {"since": since, "output": text}
    return None

"""Answers what a model asks for in an edit conversation: from the edited repository, or by running its tests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from codemonkeys.engine.work import Work
from codemonkeys.generation.asked_tests import run_asked
from codemonkeys.generation.edited_tree import EditedTree, find, show
from codemonkeys.generation.edits import Changes
from codemonkeys.generation.look_ups import Find, LookUp, RunTests, Show
from codemonkeys.keys import REPOSITORY_TESTS, StepKey
from codemonkeys.models.base import Message
from codemonkeys.prompting import cut_middle, neutral
from codemonkeys.settings import Settings
from codemonkeys.stages import EDIT, Stage

OUTPUTS = 2
"""Outputs of scripts that a message holds otherwise: all look-ups of one answer share their room."""


def longest_answer(settings: Settings) -> int:
    """Characters that the look-ups of one answer bring, all together."""
    return OUTPUTS * settings.sandbox.output_characters


async def look_up(
    work: Work,
    sample: int,
    turn: int,
    look_ups: Sequence[LookUp],
    changes: Changes,
    patch: str,
    turns_left: int,
    stage: Stage = EDIT,
) -> Message:
    """The message that answers look-ups, in the repository with these changes; `patch`: the same as a diff."""
    limit = longest_answer(work.settings) // len(look_ups)
    tree = EditedTree(work.snapshot, changes)
    found = []
    for number, asked in enumerate(look_ups, 1):
        match asked:
            case Show():
                result = await work.in_thread(show, tree, asked, limit)
            case Find():
                result = await work.in_thread(find, tree, asked, limit)
            case RunTests():
                part = f"{REPOSITORY_TESTS}{number}"
                result = await run_asked(work, partial(_key, work, stage, sample, turn, part), asked, patch)
        output = cut_middle(result.output, limit)
        told = neutral(result.told, work.marker)
        found.append({"asked": in_words(asked), "told": told, "output": output})
    return work.tell("edit.look_up", found=found, edited=bool(patch), turns_left=turns_left)


def _key(work: Work, stage: Stage, sample: int, turn: int, part: str, end: str) -> StepKey:
    return StepKey(work.task.id, stage.name, sample, turn, part + end)


def in_words(asked: LookUp) -> str:
    """What is asked for, without the marker."""
    match asked:
        case Show(path):
            return f"SHOW {path}"
        case Find(words):
            return f"FIND {' '.join(words)}"
        case RunTests(path, name):
            return f"RUN {path}::{name}" if name else f"RUN {path}"

"""Short structured summaries of trajectories, made once each by the cheap model.

The distilling of Parallel-Distill-Refine (arXiv 2604.16529): what a trajectory took for the cause, what it tried, what
it saw, and what it left open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from codemonkeys.engine.work import Work
from codemonkeys.generation.paragraphs import describe_sample
from codemonkeys.journal.transcripts import Said
from codemonkeys.prompting import cut_middle
from codemonkeys.stages import AGENT, DISTILL, EDIT, TEST, Stage

SUMMARY = "summary"
"""Kind of the note that holds a summary."""
PARTS = ("hypothesis", "tried", "seen", "open")
"""What a summary has, each a paragraph."""
OUTPUT_CHARACTERS = 1_500
"""Of what a trajectory was told, so much of each message is shown, and twice as much of each answer."""

Summary = Mapping[str, str]
"""Text by part."""


async def distill(work: Work, samples: Iterable[int]) -> None:
    """Make and store a summary of each of these trajectories, unless it has one; it may come to none.

    One for which there was no money, or which was refused, is not asked for again: a wave may have begun without it.
    """
    async with asyncio.TaskGroup() as group:
        for sample in samples:
            if summary_of(work, sample) is None and not work.has_ended_early(DISTILL, sample):
                if conversations := conversations_of(work, sample):
                    messages = work.prompts("distill.system"), work.prompts("distill.user", conversations=conversations)
                    group.create_task(describe_sample(work, DISTILL, sample, SUMMARY, messages, PARTS))


def summary_of(work: Work, sample: int) -> dict[str, str] | None:
    """The stored summary of a trajectory; None if it has none."""
    found: dict[str, str] | None = work.journal.note(work.task.id, DISTILL.name, sample, SUMMARY)
    return found


def conversations_of(work: Work, sample: int) -> list[dict[str, Any]]:
    """The conversations of a trajectory, cut to what a summary is made from: stage, and messages in order."""
    stages: tuple[Stage, ...] = (AGENT,) if work.settings.generation.kind_of(sample) == "agent" else (TEST, EDIT)
    said = {stage.name: work.journal.transcript(work.task.id, stage.name, sample) for stage in stages}
    held = {name: messages for name, messages in said.items() if messages}
    share = work.settings.generation.distill_characters // max(1, len(held))
    return [{"stage": name, "messages": fitted(messages, share)} for name, messages in held.items()]


def fitted(messages: list[Said], characters: int) -> list[dict[str, str]]:
    """Messages cut to so many characters in all: each in its middle, then the oldest left out."""
    kept: list[dict[str, str]] = []
    for message in reversed(messages):
        most = OUTPUT_CHARACTERS * (1 + (message.role == "assistant"))
        text = cut_middle(message.text, min(most, characters))
        if kept and len(text) > characters:
            break
        kept.append({"role": message.role, "text": text})
        characters = max(0, characters - len(text))
    return kept[::-1]

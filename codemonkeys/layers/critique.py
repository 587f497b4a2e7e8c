"""The critic: one call for each candidate names what speaks for it and what against it."""

from __future__ import annotations

import asyncio

from codemonkeys.engine.work import Work
from codemonkeys.generation.paragraphs import describe_sample
from codemonkeys.layers.shown import CHARACTERS, CRITIQUE_NOTE, critique_of
from codemonkeys.selection.collect_evidence import SelectionInput
from codemonkeys.selection.conversation import touched_files
from codemonkeys.selection.evolving import results_of
from codemonkeys.selection.rules_base import candidates
from codemonkeys.stages import CRITIQUE

PARTS = ("strengths", "faults")
"""What a critique has, each a paragraph."""


async def critique(work: Work, inputs: SelectionInput) -> None:
    """Make and store a critique of each distinct candidate, unless it has one; it may come to none.

    One for which there was no money, or which was refused, is not asked for again: layers may have gone on without it.
    """
    evidence = inputs.evidence
    samples = {numbered.number - 1: numbered.candidate.sample for numbered in inputs.matrix.candidates}
    files = touched_files(work, [evidence.patches[index] for index in samples])
    system = work.prompts("critique.system", files=files)
    async with asyncio.TaskGroup() as group:
        for index in candidates(evidence):
            sample = samples[index]
            if critique_of(work, sample) is None and not work.has_ended_early(CRITIQUE, sample):
                shown = results_of(work, inputs, index, CHARACTERS // 4)
                messages = system, work.prompts("critique.user", candidate=shown)
                group.create_task(describe_sample(work, CRITIQUE, sample, CRITIQUE_NOTE, messages, PARTS))

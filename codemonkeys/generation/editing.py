"""The edit conversation: an edit and its test, improved by what running them shows. Paper (arXiv 2501.14723), 2.2."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from codemonkeys.context.ranking import ContextFile
from codemonkeys.engine.work import Conversation, Work
from codemonkeys.errors import BudgetReached
from codemonkeys.generation.answers import Answer, Kind, MalformedAnswer, parse_answer
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.edits import EditRefused, apply_edits
from codemonkeys.generation.patch import make_patch
from codemonkeys.generation.testing import TestScript


async def write_edit(
    work: Work, sample: int, context: Sequence[ContextFile], test: TestScript | None, earlier: str = ""
) -> Candidate | None:
    """Edit the codebase until the model approves of edit and test; None if no edit could be applied.

    `earlier`: what others tried, to be told with the first message.
    """
    settings = work.settings.generation
    model = work.steps.model_of("edit", sample).name
    gate = work.gate(f"edit {model}")
    system = work.prompts("edit.system", files=context, script=work.script)
    talk = Conversation(
        work, "edit", sample, system, settings.edit_turns, settings.temperature, settings.max_tokens, gate
    )
    script = test.text if test else ""
    shown = work.show(test.original) if test else None
    message = work.prompts("edit.user", test=script, original=shown)
    if earlier:
        message = f"{earlier}\n{message}"
    patch = ""
    while talk.turns_left:
        try:
            allowed: tuple[Kind, ...] = ("edits", "test", "done") if patch else ("edits", "test")
            answer = parse_answer(await talk.ask(message), work.marker, allowed)
            if answer.done:
                return Candidate(sample, patch, script, approved=True, source=model)
            patch, script = await take(work, answer, patch, script)
        except BudgetReached as error:
            if not patch:
                raise
            # An edit that was paid for is a candidate, if not an approved one.
            work.give_up("edit", sample, error)
            break
        except (MalformedAnswer, EditRefused) as error:
            message = work.prompts("edit.repair", problem=str(error))
            continue
        message = await show_results(work, sample, talk, patch, script)
    return Candidate(sample, patch, script, approved=False, source=model) if patch else None


async def take(work: Work, answer: Answer, patch: str, script: str) -> tuple[str, str]:
    """Patch and test script after an answer; raises EditRefused for an edit that cannot be applied."""
    if answer.test is not None:
        return patch, answer.test
    changes = await asyncio.to_thread(apply_edits, work.snapshot, answer.edits)
    return await asyncio.to_thread(make_patch, work.snapshot, changes), script


async def show_results(work: Work, sample: int, talk: Conversation, patch: str, script: str) -> str:
    """Run the present test script on the original and on the edited codebase, and tell what it did."""
    original = edited = None
    if script:
        original = work.show(await work.run("edit", sample, talk.turn, "original", script))
        if patch:
            edited = work.show(await work.run("edit", sample, talk.turn, "edited", script, patch))
    return work.prompts("edit.result", patch=patch, original=original, edited=edited, turns_left=talk.turns_left)

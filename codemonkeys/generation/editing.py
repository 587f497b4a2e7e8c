"""The edit conversation: refine an edit and its test by execution feedback. Paper (arXiv 2501.14723), section 2.2."""

from __future__ import annotations

from collections.abc import Sequence

from codemonkeys.context.choosing import ContextFile
from codemonkeys.engine.conversation import Conversation
from codemonkeys.engine.work import Work
from codemonkeys.errors import BudgetReached, FilteredAnswer, RejectedRequest
from codemonkeys.generation.answers import Answer, Kind, parse_answer
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.edits import apply_edits
from codemonkeys.generation.patch import make_patch
from codemonkeys.generation.testing import TestScript
from codemonkeys.models.base import Message
from codemonkeys.stages import EDIT


async def write_edit(
    work: Work, sample: int, context: Sequence[ContextFile], test: TestScript | None, earlier: str = ""
) -> Candidate | None:
    """Edit the repository until the model approves both edit and test; None if no edit could be applied.

    `earlier`: what other trajectories tried, prepended to the first message.
    """
    settings = work.settings.generation
    model = work.models.of(EDIT.name, sample).name
    system = work.prompts("edit.system", files=context, script=work.script)
    talk = Conversation(
        *(work, EDIT, sample, system, settings.edit_turns, settings.temperature, settings.max_tokens),
        gate=work.gate(f"edit {model}"),
    )
    script = test.text if test else ""
    shown = work.show(test.original) if test else None
    message = work.tell("edit.user", f"{earlier}\n" if earlier else "", test=script, original=shown)
    patch = ""

    async def parse_and_apply(answer: str) -> Answer:
        """Parse an answer and adopt its edit or test script; raises EditRefused for an edit that cannot be applied."""
        nonlocal patch, script
        allowed: tuple[Kind, ...] = ("edits", "test", "done") if patch else ("edits", "test")
        parsed = parse_answer(answer, work.marker, allowed)
        if parsed.test is not None:
            script = parsed.test
        elif parsed.edits:
            changes = await work.in_thread(apply_edits, work.snapshot, parsed.edits)
            patch = await work.in_thread(make_patch, work.snapshot, changes)
        return parsed

    def repair(problem: str) -> str:
        return work.prompts("edit.repair", problem=problem)

    while talk.turns_left:
        try:
            answer = await talk.ask(message, parse_and_apply, repair)
        except (BudgetReached, FilteredAnswer, RejectedRequest) as error:
            if not patch:
                raise
            # An edit that is already paid for is still a candidate, though not approved.
            work.give_up(EDIT, sample, error)
            break
        if answer is None:
            break
        if answer.done:
            return Candidate(sample, patch, script, approved=True, source=model)
        message = await show_results(work, sample, talk, patch, script)
    return Candidate(sample, patch, script, approved=False, source=model) if patch else None


async def show_results(work: Work, sample: int, talk: Conversation, patch: str, script: str) -> Message:
    """Run the current test script on the original and the edited repository; returns the message with the results."""
    original = edited = None
    if script:
        original = work.show(await work.run(EDIT, sample, talk.turn, "original", script))
        if patch:
            edited = work.show(await work.run(EDIT, sample, talk.turn, "edited", script, patch))
    return work.tell("edit.result", patch=patch, original=original, edited=edited, turns_left=talk.turns_left)

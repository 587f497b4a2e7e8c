"""The edit conversation: an edit and its test, improved by what running them shows. Paper (arXiv 2501.14723), 2.2."""

from __future__ import annotations

from collections.abc import Sequence

from codemonkeys.context.ranking import ContextFile
from codemonkeys.engine.conversation import Conversation
from codemonkeys.engine.work import Work
from codemonkeys.errors import BudgetReached
from codemonkeys.generation.answers import Answer, Kind, parse_answer
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.edits import apply_edits
from codemonkeys.generation.patch import make_patch
from codemonkeys.generation.testing import TestScript
from codemonkeys.stages import EDIT


async def write_edit(
    work: Work, sample: int, context: Sequence[ContextFile], test: TestScript | None, earlier: str = ""
) -> Candidate | None:
    """Edit the repository until the model approves of edit and test; None if no edit could be applied.

    `earlier`: what other trajectories tried, to be told with the first message.
    """
    settings = work.settings.generation
    model = work.models.of(EDIT.name, sample).name
    system = work.prompts("edit.system", files=context, script=work.script)
    talk = Conversation(
        *(work, EDIT, sample, system, settings.edit_turns, settings.temperature, settings.max_tokens),
        gate=work.gate(f"edit {model}"),
    )
    script = test.text if test else ""
    message = work.prompts("edit.user", test=script, original=work.show(test.original) if test else None)
    if earlier:
        message = f"{earlier}\n{message}"
    patch = ""

    async def take(answer: str) -> Answer:
        """Parse an answer and take over its edit or its test script; refuses an edit that cannot be applied."""
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
            answer = await talk.ask(message, take, repair)
        except BudgetReached as error:
            if not patch:
                raise
            # An edit that was paid for is a candidate, if not an approved one.
            work.give_up(EDIT, sample, error)
            break
        if answer is None:
            break
        if answer.done:
            return Candidate(sample, patch, script, approved=True, source=model)
        message = await show_results(work, sample, talk, patch, script)
    return Candidate(sample, patch, script, approved=False, source=model) if patch else None


async def show_results(work: Work, sample: int, talk: Conversation, patch: str, script: str) -> str:
    """Run the present test script on the original and on the edited repository, and tell what it did."""
    original = edited = None
    if script:
        original = work.show(await work.run(EDIT, sample, talk.turn, "original", script))
        if patch:
            edited = work.show(await work.run(EDIT, sample, talk.turn, "edited", script, patch))
    return work.prompts("edit.result", patch=patch, original=original, edited=edited, turns_left=talk.turns_left)

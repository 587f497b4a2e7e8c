"""The edit conversation: refine an edit and its test by execution feedback. Paper (arXiv 2501.14723), section 2.2."""

from __future__ import annotations

from collections.abc import Sequence

from codemonkeys.context.choosing import ContextFile
from codemonkeys.engine.conversation import Conversation
from codemonkeys.engine.work import Work
from codemonkeys.errors import BudgetReached, FilteredAnswer, RejectedRequest
from codemonkeys.generation.answers import Answer, Kind, parse_answer
from codemonkeys.generation.candidate import Candidate, FirstEdit, GoesOn
from codemonkeys.generation.edits import Changes, apply_edits
from codemonkeys.generation.looking_up import longest_answer, look_up
from codemonkeys.generation.patch import make_patch
from codemonkeys.generation.repository_check import RepositoryChecks
from codemonkeys.generation.results import Results, ToldResults, run_script
from codemonkeys.generation.testing import TestScript
from codemonkeys.stages import EDIT, Stage


async def write_edit(
    work: Work,
    sample: int,
    context: Sequence[ContextFile],
    test: TestScript | None,
    earlier: str = "",
    stage: Stage = EDIT,
    goes_on: GoesOn | None = None,
) -> Candidate | None:
    """Edit the repository until the model approves both edit and test; None if no edit could be applied.

    `earlier`: what other trajectories tried, prepended to the first message. `stage`: whose steps they are. `goes_on`:
    whether there are further turns after the first edit.
    """
    settings = work.settings.generation
    model = work.models.of(stage.name, sample).name
    room = longest_answer(work.settings)
    system = work.prompts("edit.system", files=context, script=work.script, turns=settings.edit_turns, room=room)
    talk = Conversation(
        *(work, stage, sample, system, settings.edit_turns, settings.temperature, settings.max_tokens),
        gate=work.gate(f"edit {model} {hash(system)}"),
    )
    script, patch, changes = test.text if test else "", "", Changes({})
    shown = work.show(test.original) if test else None
    told = ToldResults(work, Results(patch, script, test.original if test else None))
    checks = RepositoryChecks(work, sample, stage)
    before = earlier or reading(work, sample)
    message = work.tell("edit.user", f"{before}\n" if before else "", test=script, original=shown)

    async def parse_and_apply(answer: str) -> Answer:
        """Parse an answer and adopt its edit or test script; raises EditRefused for an edit that cannot be applied."""
        nonlocal patch, script, changes
        parsed = parse_answer(answer, work.marker, allowed_kinds(work, bool(patch), talk.turns_left))
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
            work.give_up(stage, sample, error)
            break
        if answer is None:
            break
        if answer.look_ups:
            message = await look_up(work, sample, talk.turn, answer.look_ups, changes, patch, talk.turns_left, stage)
            continue
        if answer.kind == "done":
            return Candidate(sample, patch, script, approved=True, source=model)
        results = await run_script(work, sample, talk.turn, patch, script, stage)
        repository = await checks.first(talk.turn, patch) if talk.turns_left else None
        if answer.done and results.say_fixed and not (repository and repository["broken"]):
            return Candidate(sample, patch, script, approved=True, source=model)
        if patch and talk.turns_left and goes_on is not None:
            first = Candidate(sample, patch, script, approved=False, source=model)
            if not await goes_on(FirstEdit(first, repository["broken"] if repository else None)):
                return first
            goes_on = None
        message = told.tell(results, talk.turns_left, repository)
    return Candidate(sample, patch, script, approved=False, source=model) if patch else None


def reading(work: Work, sample: int) -> str:
    """In which way this trajectory is asked to read the issue; empty for the first, which reads it as it likes.

    Only trajectories that are shown no earlier ones are asked: those are led elsewhere by what was tried.
    """
    if not sample or not work.settings.generation.readings or work.is_begun_by_older:
        return ""
    return work.prompts("edit.reading", sample=sample)


def allowed_kinds(work: Work, has_edit: bool, turns_left: int) -> tuple[Kind, ...]:
    """What an answer may hold: DONE needs an edit, an earlier one or its own; a look-up needs a turn after it."""
    kinds: tuple[Kind, ...] = ("edits", "test", "done") if has_edit else ("edits", "test")
    if work.is_begun_by_older:
        return kinds
    return (*kinds, *(("look-ups",) if turns_left else ()), "done in advance")

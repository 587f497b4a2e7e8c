"""The test conversation: write a script that reproduces the issue. Paper (arXiv 2501.14723), section 2.2."""

from __future__ import annotations

from dataclasses import dataclass, replace

from codemonkeys.context.for_tests import NOTHING, Excerpt
from codemonkeys.engine.conversation import Conversation
from codemonkeys.engine.scripts import ISSUE_PRESENT, exit_code
from codemonkeys.engine.work import Work
from codemonkeys.errors import BudgetReached, FilteredAnswer, RejectedRequest
from codemonkeys.generation.answers import Answer, Kind, parse_answer
from codemonkeys.models.base import Message
from codemonkeys.stages import TEST
from sandboxes.base import Execution


@dataclass(frozen=True)
class TestScript:
    """A test script and its result on the unedited repository."""

    __test__ = False  # Keeps pytest from collecting this class.

    text: str
    original: Execution
    approved: bool
    """Whether the model accepted it after seeing its result."""


async def write_test(work: Work, sample: int, excerpt: Excerpt = NOTHING) -> TestScript | None:
    """Write a test script from the issue and what is shown of the repository; None if no answer contained one."""
    settings = work.settings.generation
    seconds = f"{work.settings.sandbox.seconds:g}"
    system = work.prompts(
        "test.system", script=work.script, seconds=seconds, files=excerpt.files, nearest=excerpt.nearest
    )
    gate = work.gate(f"test {work.models.of(TEST.name, sample).name}")
    talk = Conversation(
        work, TEST, sample, system, settings.test_turns, settings.temperature, settings.max_tokens, gate
    )
    message: str | Message = work.prompts("test.user")
    test: TestScript | None = None

    def parse(answer: str) -> Answer:
        allowed: tuple[Kind, ...] = ("test", "done") if test else ("test",)
        in_advance: tuple[Kind, ...] = () if work.is_begun_by_older else ("done in advance",)
        return parse_answer(answer, work.marker, (*allowed, *in_advance))

    def repair(problem: str) -> str:
        return work.prompts("test.repair", problem=problem)

    while talk.turns_left:
        try:
            answer = await talk.ask(message, parse, repair)
        except (BudgetReached, FilteredAnswer, RejectedRequest) as error:
            if test is None:
                raise
            work.give_up(TEST, sample, error)
            break
        if answer is None:
            break
        if answer.test is None:
            return test and replace(test, approved=True)
        original = await work.run(TEST, sample, talk.turn, "original", answer.test)
        test = TestScript(answer.test, original, approved=answer.done and exit_code(original) == ISSUE_PRESENT)
        if test.approved:
            return test
        message = work.tell("test.result", result=work.show(original), turns_left=talk.turns_left)
    return test

"""The test conversation: a script that tells whether the issue is fixed. Paper (arXiv 2501.14723), section 2.2."""

from __future__ import annotations

from dataclasses import dataclass, replace

from codemonkeys.engine.work import Conversation, Work
from codemonkeys.errors import BudgetReached
from codemonkeys.generation.answers import Kind, MalformedAnswer, parse_answer
from sandboxes.base import Execution


@dataclass(frozen=True)
class TestScript:
    """A test script and what it did on the unedited codebase."""

    __test__ = False  # It is no test of ours: pytest would collect it by its name.

    text: str
    original: Execution
    approved: bool
    """The model accepted it after seeing what it did."""


async def write_test(work: Work, sample: int) -> TestScript | None:
    """Write a test script from the issue alone; None if no answer held one."""
    settings = work.settings.generation
    system = work.prompts("test.system", script=work.script, seconds=f"{work.settings.sandbox.seconds:g}")
    gate = work.gate(f"test {work.steps.model_of('test', sample).name}")
    talk = Conversation(
        work, "test", sample, system, settings.test_turns, settings.temperature, settings.max_tokens, gate
    )
    message = work.prompts("test.user")
    test: TestScript | None = None
    while talk.turns_left:
        try:
            allowed: tuple[Kind, ...] = ("test", "done") if test else ("test",)
            answer = parse_answer(await talk.ask(message), work.marker, allowed)
        except BudgetReached as error:
            if test is None:
                raise
            work.give_up("test", sample, error)
            break
        except MalformedAnswer as error:
            message = work.prompts("test.repair", problem=str(error))
            continue
        if answer.test is None:
            return test and replace(test, approved=True)
        original = await work.run("test", sample, talk.turn, "original", answer.test)
        test = TestScript(answer.test, original, approved=False)
        message = work.prompts("test.result", result=work.show(original), turns_left=talk.turns_left)
    return test

"""What an agent is told: how a command ended, and messages that become shorter when the conversation is long."""

from __future__ import annotations

from typing import Any

from codemonkeys.engine.scripts import ExecutionView, stopped
from codemonkeys.engine.work import Work
from codemonkeys.models.base import Message
from codemonkeys.settings import SandboxSettings
from sandboxes.base import Execution, Reason

FIRST_LINES = 3
LINE = 200
"""Characters that are left of each."""
LEFT_OUT = "[the rest is left out, as the conversation has become long]"


def ended(result: Execution, settings: SandboxSettings) -> str:
    """How a command ended, in a sentence."""
    if result.reason is Reason.EXITED:
        return f"exit code {result.exit_code}."
    return f"it {stopped(result, settings)}."


def message_of(work: Work, told: dict[str, Any], steps_left: int) -> Message:
    """The message with what the commands of an answer came to."""

    def shorter() -> str:
        return work.prompts("agent.result", **{name: first_lines(value) for name, value in told.items()}, **last)

    last = {"steps_left": steps_left}
    return Message("user", work.prompts("agent.result", **told, **last), shorter=shorter)


def first_lines(value: Any) -> Any:
    """A value for a template, with the first lines of the outputs, patches and diffs in it."""
    match value:
        case ExecutionView():
            return value._replace(output=beginning(value.output))
        case [*values]:
            return [first_lines(each) for each in values]
        case {**fields}:
            return {
                name: beginning(each) if name in ("output", "patch") and isinstance(each, str) else first_lines(each)
                for name, each in fields.items()
            }
        case _:
            return value


def beginning(text: str) -> str:
    """The first lines of a text, if it is longer."""
    lines = text.split("\n")
    short = "\n".join([*(line[:LINE] for line in lines[:FIRST_LINES]), LEFT_OUT])
    return short if len(short) < len(text) else text

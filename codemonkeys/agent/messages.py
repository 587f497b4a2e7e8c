"""What an agent is told: how a command ended, and messages that become shorter when the conversation is long."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from codemonkeys.agent.tools import ADD, SUBMIT
from codemonkeys.engine.scripts import ExecutionView, stopped
from codemonkeys.engine.work import Work
from codemonkeys.models.base import Message
from codemonkeys.models.tool_calls import ToolCall
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


IN_TEXT = {"done": "DONE", "add": "ADD"}
WITH_TOOLS = {"done": SUBMIT, "add": f"call {ADD} for"}
"""What the messages call submitting, and adding files to the patch."""
NOTHING_MORE: dict[str, Any] = {"results": None, "problem": "", "files": {"left": []}, "steps_left": math.inf}
"""Of the result of a tool call after which others come."""


def message_of(work: Work, told: dict[str, Any], steps_left: int, names: Mapping[str, str] = IN_TEXT) -> Message:
    """The message with what the commands of an answer came to."""

    def shorter() -> str:
        return work.prompts("agent.result", **{name: first_lines(value) for name, value in told.items()}, **last)

    last = {"steps_left": steps_left, "names": names}
    return Message("user", work.prompts("agent.result", **told, **last), shorter=shorter)


def results_of(work: Work, calls: Sequence[ToolCall], told: dict[str, Any], steps_left: int) -> list[Message]:
    """A result for each tool call of an answer; the last one also says what they came to all together."""
    found = [[{**each, "asked": ""}] for each in told["found"]] + [[]] * (len(calls) - len(told["found"]))
    each_told = [{**NOTHING_MORE, "found": one} for one in found[:-1]]
    each_told.append({**told, "steps_left": steps_left, "found": found[-1]})
    messages = (message_of(work, one, one.pop("steps_left"), WITH_TOOLS) for one in each_told)
    return [replace(message, role="tool", call_id=call.id) for message, call in zip(messages, calls, strict=True)]


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

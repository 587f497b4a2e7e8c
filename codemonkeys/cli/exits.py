"""Exit codes of the command line, the same for every command."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from codemonkeys.runs.session import Summary


class Exit(IntEnum):
    """What an exit code says."""

    DONE = 0
    """Everything that was asked for was done."""
    FAILED = 1
    """This machine or a service could not do it; the message says what to do."""
    BAD_INPUT = 2
    """Something given cannot be used; nothing was spent."""
    PARTIAL = 3
    """Some tasks have a prediction, others have none or were not finished."""
    NOTHING_SOLVED = 4
    """No task has a prediction, or, for `evaluate` and `demo`, none is resolved."""
    BUDGET = 5
    """The budget kept a task from its end."""
    INTERRUPTED = 130
    """The user stopped it; `codemonkeys resume` goes on."""


def exit_of(summary: Summary) -> Exit:
    """The exit code of a session."""
    if summary.waiting:
        return Exit.INTERRUPTED
    if summary.over_budget:
        return Exit.BUDGET
    if summary.predicted == len(summary.ended):
        return Exit.DONE
    return Exit.PARTIAL if summary.predicted else Exit.NOTHING_SOLVED


def end(command: Callable[[], Exit]) -> NoReturn:
    """Carry out a command and exit; an expected error is one message, a fault of ours keeps its traceback."""
    import typer

    from codemonkeys import wording
    from codemonkeys.errors import BadInput, CodeMonkeysError, RunInterrupted
    from codemonkeys.redact import redact, safe_terminal
    from sandboxes.base import SandboxError

    wording.COMMAND_LINE = True
    try:
        code = command()
    except (KeyboardInterrupt, asyncio.CancelledError, RunInterrupted):
        code = Exit.INTERRUPTED
    except (CodeMonkeysError, SandboxError) as error:
        print(f"error: {safe_terminal(redact(str(error)))}", file=sys.stderr)
        code = Exit.BAD_INPUT if isinstance(error, BadInput) else Exit.FAILED
    raise typer.Exit(int(code))

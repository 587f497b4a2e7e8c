"""Exit codes of the command line, the same for every command."""

from __future__ import annotations

import sys
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from codemonkeys.runs.session import Summary


class Exit(IntEnum):
    """Meaning of an exit code."""

    DONE = 0
    """Everything requested was done."""
    FAILED = 1
    """This machine or a service could not do it; the message says what to do."""
    BAD_INPUT = 2
    """Something given cannot be used; mostly that is found before anything is spent."""
    PARTIAL = 3
    """Some tasks have a prediction; others have none or were not finished."""
    NOTHING_SOLVED = 4
    """No task has a prediction, or, for `evaluate` and `demo`, none is resolved."""
    BUDGET = 5
    """The budget stopped a task before it was finished."""
    UNTESTED = 6
    """Nothing was tested: no test script could tell anything about any of the predictions."""
    INTERRUPTED = 130
    """Stopped by the user; continue with `codemonkeys resume`."""


def exit_of(summary: Summary) -> Exit:
    """The exit code of a session."""
    if summary.waiting:
        return Exit.INTERRUPTED
    if summary.over_budget:
        return Exit.BUDGET
    if summary.predicted and len(summary.untested) == summary.predicted:
        return Exit.UNTESTED
    if summary.predicted == len(summary.ended):
        return Exit.DONE
    return Exit.PARTIAL if summary.predicted else Exit.NOTHING_SOLVED


def warn_of_untested(summary: Summary, where: str) -> None:
    """Say on standard error which predictions no test script could tell anything about.

    `where`: options that find the run.
    """
    from codemonkeys.cli.console import say

    if not summary.untested:
        return
    all_of_them = len(summary.untested) == summary.predicted
    subject = "NOTHING WAS TESTED" if all_of_them else f"NOT TESTED: {', '.join(summary.untested)}"
    say(
        f"{subject}: every test script ended without telling whether the issue is there, so the patch rests on the "
        f"model's word alone. Why each one ended: codemonkeys show {summary.run}{where}"
    )


def end(command: Callable[[], Exit]) -> NoReturn:
    """Run a command and exit. Expected errors print one message; bugs keep their traceback."""
    import typer

    from codemonkeys import wording
    from codemonkeys.errors import BadInput, CodeMonkeysError, EnvironmentFailed
    from codemonkeys.redact import redact, safe_terminal
    from sandboxes.base import SandboxError

    def interruptions() -> tuple[type[BaseException], ...]:
        # Called only once something was raised: a cancelled task's error is asyncio's, which most commands never load.
        from asyncio import CancelledError

        from codemonkeys.errors import RunInterrupted

        return KeyboardInterrupt, CancelledError, RunInterrupted

    wording.COMMAND_LINE = True
    try:
        code = command()
    except interruptions():
        code = Exit.INTERRUPTED
    except (CodeMonkeysError, SandboxError) as error:
        output = error.output if isinstance(error, EnvironmentFailed) else ""
        message = f"{error}\nAll of its output:\n{output}" if output else str(error)
        print(f"error: {safe_terminal(redact(message))}", file=sys.stderr)
        code = Exit.BAD_INPUT if isinstance(error, BadInput) else Exit.FAILED
    raise typer.Exit(int(code))

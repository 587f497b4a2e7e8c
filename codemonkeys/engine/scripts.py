"""Test scripts: how they are written and run for a task, what their exit codes mean, and how a model is told."""

from __future__ import annotations

from typing import Any, NamedTuple

from codemonkeys.prompting import cut_middle
from codemonkeys.settings import SandboxSettings
from codemonkeys.tasks.base import Task
from sandboxes.base import Execution, Limits, Reason

ISSUE_PRESENT = 2
"""Exit code of a test script that found the issue."""
ISSUE_FIXED = 0
"""Exit code of a test script that did not find the issue."""


class ScriptKind(NamedTuple):
    """In what language test scripts are written, and how they run."""

    language: str
    name: str
    runner: tuple[str, ...]
    launch: tuple[str, ...]
    """What the sandbox is given to start it with."""
    told: str = ""
    """The command as it is told to a model, if it is not the runner with the name."""
    note: str = ""
    """What a model has to know about it beside: sentences that each end with a space."""

    @property
    def command(self) -> str:
        """The command as it is told to a model."""
        return self.told or " ".join((*self.runner, self.name))


# Run as `python SCRIPT` would, and then the working directory is last on the path: what an edit adds at the root of the
# repository must not take the place of a module of the standard library.
_ON_PATH = """\
import os, sys
del sys.argv[0]
if sys.path[0] == "":
    sys.path[0] = os.path.dirname(sys.argv[0])
sys.path.append(os.getcwd())
__file__ = sys.argv[0]
with open(__file__, "rb") as _script:
    _script = compile(_script.read(), __file__, "exec")
del os, sys
exec(_script)
"""
PYTHON_ON_PATH = ("python", "-c", _ON_PATH)
"""Runs a Python script with the repository's root on its import path, whatever sandbox starts it there."""


def script_kind(task: Task, *, older: bool = False) -> ScriptKind:
    """Python for Python repositories; for others a shell script, which can call whatever the language has.

    What `script_languages` has for the others takes its place where the environment was seen to run that.
    `older`: as version 0.1 started them, for a run that it began.
    """
    if task.language.lower() in ("", "python"):
        python = ("python",)
        return ScriptKind("Python", "issue_test.py", python, python if older else PYTHON_ON_PATH)
    return ScriptKind("Bash", "issue_test.sh", ("bash",), ("bash",))


def could_tell(result: Execution) -> bool:
    """Whether a script ended by itself with an exit code that says something about the issue."""
    return exit_code(result) in (ISSUE_FIXED, ISSUE_PRESENT)


def exit_code(execution: Execution | None) -> int | None:
    """The exit code of a script that ended by itself."""
    return execution.exit_code if execution and execution.reason is Reason.EXITED else None


LEFT_OUT = "(this output is left out, as the conversation has become long)"


class ExecutionView(NamedTuple):
    """An execution as it is told to a model."""

    verdict: str
    output: str


def without_outputs(value: Any) -> Any:
    """A value for a template, without the outputs of the executions in it."""
    match value:
        case ExecutionView():
            return value._replace(output=LEFT_OUT)
        case [*values]:
            return [without_outputs(each) for each in values]
        case {**fields}:
            told = {name: without_outputs(each) for name, each in fields.items()}
            return {**told, "output": LEFT_OUT} if fields.get("output") else told
        case _:
            return value


def limits_of(settings: SandboxSettings) -> Limits:
    """What one execution of a test script may use."""
    return Limits(seconds=settings.seconds, memory_mb=settings.memory_mb, processes=settings.processes)


def view_of(result: Execution, settings: SandboxSettings) -> ExecutionView:
    """An execution as it is told to a model, its output cut in the middle."""
    output = cut_middle(result.output, settings.output_characters)
    return ExecutionView(_verdict(result, settings), output or "(it printed nothing)")


def stopped(result: Execution, settings: SandboxSettings) -> str:
    """What ended an execution that did not end by itself, as the rest of a sentence; of others, that it did not run."""
    match result.reason:
        case Reason.KILLED:
            return f"was killed by signal {result.signal}"
        case Reason.TIMED_OUT:
            return f"did not end within {settings.seconds:g} seconds and was stopped"
        case Reason.OUT_OF_MEMORY:
            return f"was stopped for using more than {settings.memory_mb} MiB of memory"
        case Reason.OUTPUT_LIMIT:
            return "was stopped for printing without end"
    return "did not run"


def _verdict(result: Execution, settings: SandboxSettings) -> str:
    match result.reason:
        case Reason.EXITED if result.exit_code == ISSUE_PRESENT:
            return "It ended with exit code 2: issue present."
        case Reason.EXITED if result.exit_code == ISSUE_FIXED:
            return "It ended with exit code 0: issue fixed."
        case Reason.EXITED:
            return f"It ended with exit code {result.exit_code}: it could not tell."
        case Reason.KILLED | Reason.TIMED_OUT | Reason.OUT_OF_MEMORY | Reason.OUTPUT_LIMIT:
            return f"It {stopped(result, settings)}."
        case Reason.PATCH_FAILED:
            return "It did not run: the edit could not be applied."
        case Reason.SANDBOX_FAILED:
            return "It did not run."

"""How messages name what a user gives: options on the command line, parameters and settings in Python."""

from __future__ import annotations

COMMAND_LINE = False
"""Set by the command line when it starts: its process is its own."""

OPTIONS = {"model": "-m", "rule": "--select"}
"""Options of the command line that are not spelled as the parameter is."""


def option(parameter: str, value: str = "") -> str:
    """A parameter as the user gives it: `--task-budget USD`, or `task_budget=USD`."""
    if COMMAND_LINE:
        name = OPTIONS.get(parameter, f"--{parameter.replace('_', '-')}")
        return f"{name} {value}".rstrip()
    return f"{parameter}={value}" if value else parameter


def flag(parameter: str) -> str:
    """A switch as the user gives it: `--accept-changes`, or `accept_changes=True`."""
    return option(parameter) if COMMAND_LINE else f"{parameter}=True"


def resume(run: str, more: str = "") -> str:
    """How the user goes on with a run."""
    if COMMAND_LINE:
        return f"codemonkeys resume {run} {more}".rstrip()
    return f"solve again with name={run!r}" + (f" and {more}" if more else "")

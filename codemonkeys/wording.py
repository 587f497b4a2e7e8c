"""How messages name what a user gives: options on the command line, parameters and settings in Python."""

from __future__ import annotations

COMMAND_LINE = False
"""Set by the command line when it starts: its process is its own."""

OPTIONS = {
    "model": "-m",
    "config": "-c",
    "rule": "--select",
    "rule_of_choice": "--rule",
    "name": "--run",
    "choice": "--name",
    "bases": "--base",
    "sandbox_of_grading": "--sandbox",
}
"""Options of the command line that are not spelled as the parameter is."""
SETTINGS = {
    "api_base": "operation.api_base",
    "batch": "operation.batch.stages",
    "no_batch": "operation.batch.stages=()",
    "budget": "operation.budget",
    "keep_images": "operation.keep_images",
    "task_budget": "operation.task_budget",
    "rule": "selection.rule",
    "rule_of_choice": "rule",
    "sandbox": "sandbox.kind",
    "sandbox_of_grading": "sandbox",
}
"""Parameters that a program gives as a setting."""


def option(parameter: str, value: str = "") -> str:
    """A parameter as the user gives it: `--task-budget USD`, or `operation.task_budget=USD`."""
    if COMMAND_LINE:
        name = OPTIONS.get(parameter, f"--{parameter.replace('_', '-')}")
        return f"{name} {value}".rstrip()
    name = SETTINGS.get(parameter, parameter)
    return f"{name}={value}" if value else name


def setting(name: str, value: object) -> str:
    """A setting as the user gives it: `-c operation.attempts=3`, or `operation.attempts=3`."""
    return f"{OPTIONS['config'] + ' ' if COMMAND_LINE else ''}{name}={value}"


def counted(number: int, noun: str) -> str:
    """A number of things: `1 task`, `2 tasks`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def flag(parameter: str) -> str:
    """A switch as the user gives it: `--accept-changes`, or `accept_changes=True`."""
    return option(parameter) if COMMAND_LINE else f"{parameter}=True"


def select_on(run: str, choice: str, more: str = "") -> str:
    """How the user goes on with a named choice of a run, to stand within a sentence. `more`: what to give besides."""
    if COMMAND_LINE:
        return f"go on with: codemonkeys select {run} --name {choice} {more}".rstrip()
    return f"call select({run!r}, name={choice!r})" + (f" with {more}" if more else "")


def resume(run: str, more: str = "") -> str:
    """How the user goes on with a run, to stand within a sentence. `more`: what to give beside its name."""
    if COMMAND_LINE:
        return f"go on with: codemonkeys resume {run} {more}".rstrip()
    return f"resume the run {run!r}" + (f" with {more}" if more else "")

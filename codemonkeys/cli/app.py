"""The command-line application: every command, in the order `--help` lists them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from codemonkeys.cli import (
    commands_demo,
    commands_env,
    commands_mine,
    commands_read,
    commands_report,
    commands_run,
    commands_sleep,
)
from codemonkeys.cli.commands_images import images
from codemonkeys.cli.plain_values import Command, Group
from codemonkeys.models.quiet import silence
from codemonkeys.system.memory import collect_rarely

COMMANDS: tuple[Callable[..., Any], ...] = (
    commands_demo.demo,
    commands_run.solve,
    commands_run.fix,
    commands_env.env,
    commands_sleep.sleep,
    commands_run.resume,
    commands_read.show,
    commands_read.status,
    commands_read.export,
    commands_read.evaluate,
    commands_mine.mine,
    commands_run.ensemble,
    commands_run.select,
    commands_report.report,
    commands_read.study,
    commands_report.tune,
    commands_read.compare,
    commands_read.sql,
    commands_read.view,
    commands_read.doctor,
    commands_read.clean,
    commands_read.settings,
)


def application(only: str = "") -> typer.Typer:
    """The application with every command, or with one alone: Typer builds all that it knows before it runs any.

    `only`: a name; all commands if none has it, so that help and messages list them.
    """
    made = typer.Typer(
        name="codemonkeys",
        cls=Group,
        help="Takes real software issues and returns patches that resolve them.",
        epilog="Exit codes: 0 done, 1 failed, 2 bad input, 3 some tasks without a prediction, 4 nothing solved, "
        "5 budget reached, 6 nothing tested, 130 interrupted.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    made.callback(invoke_without_command=True)(version)
    named = [command for command in COMMANDS if command.__name__ == only]
    for command in named or COMMANDS:
        made.command(cls=Command)(command)
    if not named:
        made.add_typer(images, name="images")
    return made


def version(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    """Takes real software issues and returns patches that resolve them."""
    if show_version:
        from codemonkeys import __version__

        print(f"codemonkeys {__version__}")
        raise typer.Exit
    collect_rarely()
    silence()


def main() -> None:
    """Run the command that the arguments of this process name."""
    application(next(iter(sys.argv[1:]), ""))()


app = application()
"""Every command, for programs that look at them."""

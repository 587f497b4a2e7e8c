"""Arguments and options of `env`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codemonkeys.cli.exits import end
from codemonkeys.cli.options import Json


def env(
    repository: Annotated[Path, typer.Argument(help="Folder of the git repository.")],
    base: Annotated[str, typer.Option("--base", help="Commit whose lock files count.")] = "HEAD",
    scope: Annotated[str, typer.Option("--scope", help="Sub-folder that is worked on, as for fix.")] = "",
    python: Annotated[
        str | None, typer.Option("--python", help="Interpreter of virtual environments. Default: that of codemonkeys.")
    ] = None,
    scripts: Annotated[
        bool, typer.Option("--scripts", help="Let packages run code of theirs: install scripts, builds from source.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before the commands are run.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be run.")] = False,
    json: Json = False,
) -> None:
    """Install what the lock files of a repository name.

    It is there for the sandboxes of fix, which have no network. It is shared by commits with equal lock files.

    Example: codemonkeys env . && codemonkeys fix . --issue bug.md -m anthropic/claude-haiku-4-5 --budget 5
    """
    from codemonkeys.cli import installing

    end(lambda: installing.install(installing.Request(repository, base, scope, python, scripts, yes, dry_run), json))

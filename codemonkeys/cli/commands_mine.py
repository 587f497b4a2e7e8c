"""Arguments and options of `mine`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codemonkeys.cli.exits import end
from codemonkeys.cli.options import Json


def mine(
    repository: Annotated[Path, typer.Argument(help="Folder of a git repository; it is only read.")],
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for the task repository: new, or that of an earlier call."),
    ] = None,
    since: Annotated[str | None, typer.Option("--since", help="Only commits from this date on: 2026-01-31.")] = None,
    until: Annotated[str | None, typer.Option("--until", help="Only commits up to the end of this date.")] = None,
    issues: Annotated[
        Path | None,
        typer.Option(
            "--issues",
            help="Issues, JSON or JSONL with number, title and body: what a commit closes is its issue. Default: "
            "the message of the commit.",
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", help="Maximum number of tasks.", min=1)] = None,
    base: Annotated[str, typer.Option("--base", help="Branch or commit whose history is read.")] = "HEAD",
    venv: Annotated[
        Path | None, typer.Option("--venv", help="Virtual environment to run in. Default: as for `fix`.")
    ] = None,
    runs: Annotated[
        int, typer.Option("--runs", help="Runs of the tests before and after each fix, to find flaky ones.", min=2)
    ] = 3,
    timeout: Annotated[float, typer.Option("--timeout", help="Time limit of a run, in seconds.", min=1)] = 600.0,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", "--run", help="Run the tests and write the tasks, instead of listing.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List only, which is the default.")] = False,
    json: Json = False,
) -> None:
    """Make tasks of the fixes that a repository has merged.

    Without --yes it lists what it would check, and why it leaves out other commits; nothing is run or written.

    Example: codemonkeys mine . --since 2026-01-01 --issues issues.json -o mined --yes
    """
    from codemonkeys.cli import mining

    options = mining.MineOptions(repository, output, since, until, issues, limit, base, venv, runs, timeout)
    end(lambda: mining.mine_command(options, yes, dry_run, json))

"""Arguments and options of `sleep`."""

from __future__ import annotations

from typing import Annotated

import typer

from codemonkeys.cli.exits import end
from codemonkeys.cli.options import (
    AcceptChanges,
    ApiBase,
    Budget,
    Config,
    DryRun,
    Json,
    OwnPrompts,
    Replay,
    Run,
    RunsOfFix,
    settings_of,
)


def sleep(
    source: Annotated[str, typer.Argument(help="Folder of a git repository, or a dataset as for solve.")],
    instance: Annotated[
        list[str] | None, typer.Option("--instance", "-i", help="Id of a task of the dataset. Repeatable.")
    ] = None,
    filter: Annotated[
        str | None,
        typer.Option("--filter", help="Only ids that match this regular expression (anchored at the start)."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", help="Maximum number of tasks.", min=1)] = None,
    base: Annotated[
        list[str] | None, typer.Option("--base", help="Commit of the repository. Repeatable. Default: HEAD.")
    ] = None,
    scope: Annotated[str, typer.Option("--scope", help="Sub-folder of the repository, as for fix.")] = "",
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Scan model of the runs that will read the digests.")
    ] = None,
    api_base: ApiBase = None,
    config: Config = None,
    run: Run = None,
    replay: Replay = None,
    prompts: OwnPrompts = None,
    budget: Budget = None,
    dry_run: DryRun = False,
    accept_changes: AcceptChanges = False,
    runs: RunsOfFix = None,
    json: Json = False,
) -> None:
    """Make the digests of a repository ahead of any issue.

    Runs with context.mode=digest and the same scan model read them.

    Example: codemonkeys sleep . -m anthropic/claude-haiku-4-5 --budget 1
    """
    from codemonkeys.cli import sleeping

    given = settings_of(model, None, api_base, None, replay, prompts, budget, None, None)
    which = sleeping.Which(source, {"ids": instance or [], "filter": filter, "limit": limit}, tuple(base or ()), scope)
    if dry_run:
        end(lambda: sleeping.plan(which, config or [], given, json))
    end(lambda: sleeping.start(which, config or [], given, runs, run, accept_changes, json))

"""Arguments and options of the demo."""

from __future__ import annotations

from typing import Annotated

import typer

from codemonkeys.cli.exits import end
from codemonkeys.cli.options import Json, OwnPrompts, Runs, Sandbox
from codemonkeys.cli.places import HERE


def demo(
    runs: Runs = None,
    sandbox: Sandbox = None,
    run: Annotated[
        str | None, typer.Option("--run", help="Name of the run. Default: demo, or example with --example.")
    ] = None,
    example: Annotated[
        bool,
        typer.Option(
            "--example", help="Only store a finished run of eight small tasks, for `report`, `study`, `show`."
        ),
    ] = False,
    prompts: OwnPrompts = None,
    json: Json = False,
) -> None:
    """Resolve a real, closed issue: no key, no Docker, 0 USD.

    Model answers are replayed; everything else runs live, and the patch is graded. The first time, it needs the
    package index to download two releases of the demo's package and its dependencies.
    """
    from codemonkeys.cli import solving

    if example:
        end(lambda: solving.store_example(runs or HERE, run, json))
    end(lambda: solving.demo(runs or HERE, run or "demo", sandbox, prompts, json))

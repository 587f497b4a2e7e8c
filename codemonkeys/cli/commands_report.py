"""Arguments and options of the commands that show the results of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codemonkeys.cli.exits import end
from codemonkeys.cli.options import Json, Runs
from codemonkeys.cli.places import holding


def report(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    html: Annotated[
        Path | None, typer.Option("--html", help="HTML file to write, with figures; it needs no other file.")
    ] = None,
    verdicts: Annotated[
        list[str] | None,
        typer.Option("--verdicts", help="Verdicts file, or SYSTEM=FILE; added to those stored in the run. Repeatable."),
    ] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Report the results of a run: quality, cost, time, failures.

    Score, coverage by samples and turns, context recall and selection rules need verdicts: evaluate the run first.
    """
    from codemonkeys.cli import reporting

    shape = reporting.ReportShape(html, markdown, json)
    end(lambda: reporting.report_command(holding(runs, run), run, verdicts or [], shape))


def tune(
    run: Annotated[list[str], typer.Argument(help="Names of graded runs; their tasks count together.")],
    verdicts: Annotated[
        list[str] | None,
        typer.Option("--verdicts", help="Verdicts file, or SYSTEM=FILE; added to those of the runs. Repeatable."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Settings file (YAML) to write, for `solve -c FILE`.")
    ] = None,
    usd: Annotated[
        float | None,
        typer.Option(
            "--usd",
            min=0.0,
            help="Write the best settings that cost no more per task. Default: the cheapest that resolve no less than "
            "the run.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Overwrite an existing file.")] = False,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Search settings on graded runs, without a model.

    Draws their trajectories again in other numbers, turns and kinds, with other rules and policies, and prints what
    resolves most at each cost, cross-validated over tasks. `solve --dry-run --like RUN -c FILE` estimates the result.
    """
    from codemonkeys.cli import tuning

    end(lambda: tuning.tune_command(runs, run, verdicts or [], output, usd, overwrite, json))

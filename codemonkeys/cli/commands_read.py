"""Commands that look at what there is: their arguments and options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codemonkeys.cli.exits import end
from codemonkeys.cli.options import DEFAULT_RUNS, ApiBase, Config, Json, Model, Runs, Sandbox


def show(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    task: Annotated[str | None, typer.Argument(help="Task to show in full.")] = None,
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Show what happened in a run, or to one of its tasks.

    Tasks and money; for one task its stages, candidates, votes and choice.
    """
    from codemonkeys.cli import reading

    end(lambda: reading.show(runs, run, task, json))


def status(
    run: Annotated[str | None, typer.Argument(help="Name of the run; all of them if not given.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="On a terminal: look again while a session goes on.")] = False,
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Tell how a run stands, while it goes on or after.

    Tasks by stage, votes, spend, speed, time left, failures. It only reads: another session may be working on the run.
    """
    from codemonkeys.cli import reading

    end(lambda: reading.status(runs, run, watch, json))


def export(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File or folder to write.")],
    format: Annotated[
        str,
        typer.Option(
            "--format",
            help="preds (.json or .jsonl, for `swebench eval -p`), leaderboard (a folder to submit), atif (a folder of "
            "trajectories) or recording (for --replay).",
        ),
    ] = "preds",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is there.")] = False,
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Write predictions, a submission, trajectories or a recording."""
    from codemonkeys.cli import reading

    end(lambda: reading.export(runs, run, output, format, overwrite))


def evaluate(
    predictions: Annotated[str, typer.Argument(help="Name of a run, or a predictions file.")],
    dataset: Annotated[str | None, typer.Argument(help="Dataset of the tasks; that of the run if not given.")] = None,
    sandbox: Sandbox = None,
    isolated: Annotated[
        bool, typer.Option("--isolated", help="On Docker, use our containers: no network, limits. Else the harness's.")
    ] = False,
    workers: Annotated[int | None, typer.Option("--workers", "-w", min=1, help="Tasks at one time.")] = None,
    repeats: Annotated[
        int,
        typer.Option("--repeats", min=1, help="Grade each so often; the majority counts, unstable ones are marked."),
    ] = 1,
    again: Annotated[bool, typer.Option("--again", help="Grade anew what has a verdict already.")] = False,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for logs and reports; the run's own, or this one.")
    ] = None,
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Grade predictions by the hidden tests.

    By the official harness on Docker, or equally in the local sandbox.
    """
    from codemonkeys.cli import evaluating
    from codemonkeys.grading.service import GradingOptions

    options = GradingOptions(sandbox, isolated, workers, repeats, again)
    end(lambda: evaluating.evaluate_command(predictions, dataset, options, output, runs, json))


def study(
    run: Annotated[str, typer.Argument(help="Name of a run, of `solve` or of `ensemble`.")],
    verdicts: Annotated[
        list[str] | None,
        typer.Option("--verdicts", help="File of verdicts, or SYSTEM=FILE. Repeat it. Else those the run holds."),
    ] = None,
    grade: Annotated[
        str | None,
        typer.Option("--grade", help="First grade what has no verdict: `candidates`, or `turns` (earlier edits too)."),
    ] = None,
    figures: Annotated[Path | None, typer.Option("--figures", help="Folder for figures, as PNG and SVG.")] = None,
    sandbox: Sandbox = None,
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Compare all selection rules on what a run has stored.

    And tell what more samples would bring.
    """
    from codemonkeys.cli import studying

    end(lambda: studying.study_command(runs, run, verdicts or [], grade, figures, sandbox, json))


def doctor(
    model: Model = None, api_base: ApiBase = None, config: Config = None, runs: Runs = DEFAULT_RUNS, json: Json = False
) -> None:
    """Check this machine: Python, sandboxes, disk, keys, prices.

    Keys are never shown.
    """
    from codemonkeys.cli import doctor as checks

    end(lambda: checks.doctor(model, api_base, config or [], runs, json))


def clean(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    json: Json = False,
) -> None:
    """Remove what killed sessions have left on this machine.

    Containers, control groups, temporary and half-built folders, if they are ours and their process has died.
    """
    from codemonkeys.cli import cleaning

    end(lambda: cleaning.clean(dry_run, json))


def settings(json: Json = False) -> None:
    """List every setting, profile, sandbox, model and rule.

    Settings and profiles with what they mean; the others by name, those of installed packages too.
    """
    from codemonkeys.cli import reading

    end(lambda: reading.settings(json))

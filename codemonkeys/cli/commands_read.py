"""Arguments and options of the commands that inspect, grade and maintain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codemonkeys.cli.exits import end
from codemonkeys.cli.options import ApiBase, Choice, Config, Json, KeepImages, Model, RayAddress, Runs, Sandbox
from codemonkeys.cli.places import HERE, holding


def show(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    task: Annotated[str | None, typer.Argument(help="Id of a task to show in full.")] = None,
    answer: Annotated[
        str | None,
        typer.Option(
            "--answer",
            metavar="STAGE.SAMPLE.TURN",
            help="Show one answer of the task, with its reasoning as far as the provider tells it: edit.1.2.",
        ),
    ] = None,
    messages: Annotated[
        str | None,
        typer.Option(
            "--messages",
            metavar="STAGE[/SAMPLE]",
            help="Show conversations of the task as they were sent: edit/1, all samples of edit, or all.",
        ),
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="Show the patch of every candidate of the task.")] = False,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Show a run, or one of its tasks.

    For a run: its tasks and spend. For a task: its stages, candidates, votes and the chosen patch. What is longer than
    the terminal goes through the pager (variable PAGER; `cat` for none).
    """
    from codemonkeys.cli import showing

    part = showing.Part(answer, messages, diff)
    end(lambda: showing.show(holding(runs, run), run, task, json, part))


def status(
    run: Annotated[str | None, typer.Argument(help="Name of the run. Default: all runs.")] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Keep refreshing while the run is active (on a terminal).")
    ] = False,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Show the status of a run, live or finished.

    Prints tasks by stage, votes, spend, throughput, time left and failures. It is read-only, so it is safe while
    another process works on the run.
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
            "trajectories), harbor (a folder for `harbor view`) or recording (for --replay).",
        ),
    ] = "preds",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Overwrite existing output.")] = False,
    choice: Choice = None,
    runs: Runs = None,
) -> None:
    """Export predictions, a submission, trajectories or a recording."""
    from codemonkeys.cli import reading

    end(lambda: reading.export(holding(runs, run), run, output, format, overwrite, choice))


def evaluate(
    predictions: Annotated[str, typer.Argument(help="Name of a run, or a submission: file or folder.")],
    dataset: Annotated[str | None, typer.Argument(help="Dataset of the tasks. Default: the run's own.")] = None,
    sandbox: Sandbox = None,
    ray_address: RayAddress = None,
    isolated: Annotated[
        bool,
        typer.Option(
            "--isolated",
            help="On Docker, grade in our containers (no network, resource limits) instead of the harness's.",
        ),
    ] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", "-w", min=1, help="Number of tasks graded in parallel.")
    ] = None,
    repeats: Annotated[
        int,
        typer.Option(
            "--repeats", min=1, help="Gradings per prediction; the majority decides, and unstable ones are flagged."
        ),
    ] = 1,
    again: Annotated[bool, typer.Option("--again", help="Regrade predictions that already have a verdict.")] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Folder for logs and reports. Default: the run's folder, or the current one for a predictions file.",
        ),
    ] = None,
    scripts: Annotated[
        Path | None,
        typer.Option(
            "--scripts",
            help="Folder with scripts or parsers of the data set's harness, as a clone. Default: that of the rows.",
        ),
    ] = None,
    keep_images: KeepImages = None,
    choice: Choice = None,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Grade predictions with the hidden tests.

    Uses the official harness on Docker, or an equivalent grader in the local sandbox and on the nodes of a cluster.
    """
    from codemonkeys.cli import evaluating
    from codemonkeys.grading.service import GradingOptions

    options = GradingOptions(sandbox, isolated, workers, repeats, again, scripts, keep_images, ray_address)
    end(lambda: evaluating.evaluate_command(predictions, dataset, options, output, runs, json, choice))


def study(
    run: Annotated[str, typer.Argument(help="Name of a `solve` or `ensemble` run.")],
    verdicts: Annotated[
        list[str] | None,
        typer.Option("--verdicts", help="Verdicts file, or SYSTEM=FILE; added to those stored in the run. Repeatable."),
    ] = None,
    grade: Annotated[
        str | None,
        typer.Option(
            "--grade", help="First grade patches without a verdict: `candidates`, or `turns` (earlier edits too)."
        ),
    ] = None,
    instance: Annotated[
        list[str] | None, typer.Option("--instance", "-i", help="Id of a task to study. Repeatable. Default: all.")
    ] = None,
    filter: Annotated[
        str | None,
        typer.Option("--filter", help="Only ids that match this regular expression (anchored at the start)."),
    ] = None,
    figures: Annotated[
        Path | None, typer.Option("--figures", help="Folder to write figures to, as PNG and SVG.")
    ] = None,
    sandbox: Sandbox = None,
    ray_address: RayAddress = None,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Compare all selection rules on a stored run.

    Also estimates what more samples would gain.
    """
    from codemonkeys.cli import studying

    subset, place = studying.Subset(tuple(instance or ()), filter), studying.GradingPlace(sandbox, ray_address)
    end(lambda: studying.study_command(holding(runs, run), run, verdicts or [], grade, figures, place, json, subset))


def compare(
    sides: Annotated[
        list[str],
        typer.Argument(metavar="RUN RUN...", help="Runs, RUN:CHOICE for a named choice, or predictions files."),
    ],
    verdicts: Annotated[
        list[str] | None,
        typer.Option("--verdicts", help="Verdicts file, or RUN=FILE; added to those stored in the runs. Repeatable."),
    ] = None,
    all_tasks: Annotated[bool, typer.Option("--all", help="List every task, not only those gained and lost.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Compare runs: what each gains and loses against the first.

    Tells by paired tests whether a difference may be chance, what it cost, and which settings, models and prompts
    differ.
    """
    from codemonkeys.cli import comparing

    shape = comparing.Shape(all_tasks, markdown, json)
    end(lambda: comparing.compare_command(runs, sides, verdicts or [], shape))


def sql(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    query: Annotated[
        str,
        typer.Argument(
            help="Query of SQLite. Beside the tables, the views messages, answers, outputs and issues hold texts."
        ),
    ],
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Ask a stored run by SQL, read-only.

    Example: codemonkeys sql RUN "SELECT stage, turn, answer FROM answers WHERE task = 'a__b-1'"
    """
    from codemonkeys.cli import querying

    end(lambda: querying.sql(holding(runs, run), run, query, json))


def view(
    names: Annotated[list[str] | None, typer.Argument(metavar="[RUN]...", help="Names of runs. Default: all.")] = None,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0 takes any that is free.")
    ] = 8001,
    runs: Runs = None,
) -> None:
    """Show runs in a browser, down to single answers.

    Pages of runs, tasks, trajectories and candidates, a search over all texts, and every table. It serves on this
    machine only, reads only, and follows runs that are going on. Needs codemonkeys[view].
    """
    from codemonkeys.cli import viewing

    end(lambda: viewing.view(runs, names or [], port))


def doctor(
    model: Model = None, api_base: ApiBase = None, config: Config = None, runs: Runs = None, json: Json = False
) -> None:
    """Check this machine: Python, sandboxes, disk, keys, prices.

    The values of keys are never printed.
    """
    from codemonkeys.cli import doctor as checks

    end(lambda: checks.doctor(model, api_base, config or [], runs or HERE, json))


def clean(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would be removed.")] = False,
    ray_address: Annotated[
        str | None,
        typer.Option("--ray-address", help="Also on every node of this Ray cluster: auto, or HOST:PORT."),
    ] = None,
    sent: Annotated[
        bool,
        typer.Option("--sent", help="Also environments that runs sent to nodes, or pulled there, and use no more."),
    ] = False,
    json: Json = False,
) -> None:
    """Remove what killed sessions left on this machine.

    Removes containers, control groups, temporary folders, unfinished builds and Ray clusters that are ours and whose
    process is dead.

    Example, for the disks of a cluster after its last run: codemonkeys clean --ray-address auto --sent
    """
    from codemonkeys.cli import cleaning

    end(lambda: cleaning.clean(dry_run, json, ray_address, sent))


def settings(json: Json = False) -> None:
    """List every setting, profile, sandbox, model and rule.

    Settings and profiles are described; components, also those of installed packages, are listed by name.
    """
    from codemonkeys.cli import reading

    end(lambda: reading.settings(json))

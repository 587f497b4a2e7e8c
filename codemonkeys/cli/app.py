"""The commands and their options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codemonkeys.cli.exits import end

app = typer.Typer(
    name="codemonkeys",
    help="Takes real software issues and returns patches that resolve them.",
    epilog="Exit codes: 0 done, 1 failed, 2 bad input, 3 some tasks without a prediction, 4 nothing solved, "
    "5 budget reached, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Runs = Annotated[Path, typer.Option("--runs", help="Folder of all runs.", envvar="CODEMONKEYS_RUNS")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Model = Annotated[
    str | None, typer.Option("--model", "-m", help="Primary model: a litellm name, `fake`, or `replay:FILE`.")
]
ScanModel = Annotated[str | None, typer.Option("--scan-model", help="Cheap model that reads every file.")]
ApiBase = Annotated[str | None, typer.Option("--api-base", help="Address of an OpenAI-compatible endpoint.")]
Config = Annotated[
    list[str] | None, typer.Option("--config", "-c", help="Settings: a YAML file, or key=value. Repeat it.")
]
Sandbox = Annotated[str | None, typer.Option("--sandbox", help="Where scripts run: local, docker or auto.")]
Budget = Annotated[float | None, typer.Option("--budget", help="US dollars the whole run may cost.")]
AcceptChanges = Annotated[
    bool, typer.Option("--accept-changes", help="Do stored steps anew whose request has changed since.")
]
DEFAULT_RUNS = Path("runs")


@app.command()
def demo(
    runs: Runs = DEFAULT_RUNS,
    sandbox: Sandbox = None,
    run: Annotated[str, typer.Option("--run", help="Name of the run.")] = "demo",
    json: Json = False,
) -> None:
    """Resolve a real, closed issue with replayed model answers, and grade the patch. No key, no Docker, 0 USD.

    Needs the package index once, to fetch two releases of the demo's package and its dependencies.
    """
    from codemonkeys.cli import solving

    end(lambda: solving.demo(runs, run, sandbox, json))


@app.command()
def solve(
    dataset: Annotated[str, typer.Argument(help="SWE-bench rows (.jsonl, .json) or a SWE-bench 5 task repository.")],
    instance: Annotated[list[str] | None, typer.Option("--instance", "-i", help="Task to solve. Repeat it.")] = None,
    model: Model = None,
    scan_model: ScanModel = None,
    api_base: ApiBase = None,
    config: Config = None,
    sandbox: Sandbox = None,
    run: Annotated[str | None, typer.Option("--run", help="Name of the run; the time of day if not given.")] = None,
    replay: Annotated[Path | None, typer.Option("--replay", help="Recording or run.db that answers.")] = None,
    prompts: Annotated[Path | None, typer.Option("--prompts", help="Folder of templates that replace ours.")] = None,
    budget: Budget = None,
    accept_changes: AcceptChanges = False,
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Solve tasks of a dataset.

    Example: codemonkeys solve tasks.jsonl -i pallets__flask-5014 -m anthropic/claude-sonnet-4-5 --budget 10
    """
    from codemonkeys.cli import solving

    given = {
        "model": f"replay:{replay}" if replay else model,
        "scan_model": scan_model,
        "prompts": prompts,
        "sandbox": {"kind": sandbox},
        "operation": {"api_base": api_base, "budget": budget},
    }
    end(lambda: solving.solve(dataset, instance or [], config or [], given, runs, run, accept_changes, json))


@app.command()
def resume(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    api_base: ApiBase = None,
    budget: Budget = None,
    accept_changes: AcceptChanges = False,
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Go on with a run that was stopped, that failed in part, or that reached its budget."""
    from codemonkeys.cli import solving

    operation = {"api_base": api_base, "budget": budget}
    end(lambda: solving.resume(runs, run, operation, accept_changes, json))


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    task: Annotated[str | None, typer.Argument(help="Task to show in full.")] = None,
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Show what happened in a run: tasks and money; for one task its stages, candidates, votes and choice."""
    from codemonkeys.cli import reading

    end(lambda: reading.show(runs, run, task, json))


@app.command()
def export(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")],
    format: Annotated[
        str, typer.Option("--format", help="preds (for swebench) or recording (for --replay).")
    ] = "preds",
    runs: Runs = DEFAULT_RUNS,
) -> None:
    """Write the predictions of a run (.json or .jsonl, accepted by `swebench eval -p`), or its recording."""
    from codemonkeys.cli import reading

    end(lambda: reading.export(runs, run, output, format))


@app.command()
def evaluate(
    predictions: Annotated[str, typer.Argument(help="Name of a run, or a predictions file.")],
    dataset: Annotated[str | None, typer.Argument(help="Dataset of the tasks; that of the run if not given.")] = None,
    sandbox: Sandbox = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for logs and reports; the run's own, or this one.")
    ] = None,
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Grade predictions by the hidden tests, with swebench's own grading, in the Docker or the local sandbox."""
    from codemonkeys.cli import evaluating

    end(lambda: evaluating.evaluate_command(predictions, dataset, sandbox, output, runs, json))


@app.command()
def ensemble(
    members: Annotated[
        list[Path], typer.Argument(metavar="PRED...", help="Submissions: .json, .jsonl, or folders of the leaderboard.")
    ],
    dataset: Annotated[str, typer.Argument(help="Dataset of the tasks.")],
    instance: Annotated[list[str] | None, typer.Option("--instance", "-i", help="Task to decide. Repeat it.")] = None,
    select: Annotated[
        str, typer.Option("--select", help="Rule that chooses; `agreement` needs no model and no sandbox.")
    ] = "agreement",
    family: Annotated[
        list[str] | None,
        typer.Option("--family", help="NAME=GLOB: members whose names match are of one family. Repeat it."),
    ] = None,
    tests: Annotated[
        Path | None, typer.Option("--tests", help="Folder with test scripts, FOLDER/<task id>/*.py; else a model's.")
    ] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Predictions file to write.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace that file if it is there.")] = False,
    verdicts: Annotated[
        list[str] | None, typer.Option("--verdicts", help="File of verdicts for a report after the choice.")
    ] = None,
    model: Model = None,
    api_base: ApiBase = None,
    config: Config = None,
    sandbox: Sandbox = None,
    run: Annotated[str | None, typer.Option("--run", help="Name of the run; the time of day if not given.")] = None,
    budget: Budget = None,
    accept_changes: AcceptChanges = False,
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Choose one patch for each task among what other systems submitted, without knowing which are right.

    Example: codemonkeys ensemble one.jsonl two/preds.json three/ tasks.jsonl -o chosen.jsonl
    """
    from codemonkeys.cli import ensembling

    given = {
        "model": model,
        "selection": {"rule": select},
        "sandbox": {"kind": sandbox},
        "operation": {"api_base": api_base, "budget": budget},
    }
    inputs = ensembling.Inputs(members, dataset, instance or [], family or [], tests)
    outputs = ensembling.Outputs(output, overwrite, verdicts or [], json)
    end(lambda: ensembling.ensemble(inputs, config or [], given, runs, run, accept_changes, outputs))


@app.command()
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
    """Compare all selection rules on what a run has stored, and tell what more samples would bring."""
    from codemonkeys.cli import studying

    end(lambda: studying.study_command(runs, run, verdicts or [], grade, figures, sandbox, json))


@app.command()
def doctor(
    model: Model = None, api_base: ApiBase = None, config: Config = None, runs: Runs = DEFAULT_RUNS, json: Json = False
) -> None:
    """Check this machine: Python, sandboxes, disk, keys (never shown), and whether the model has a price."""
    from codemonkeys.cli import doctor as checks

    end(lambda: checks.doctor(model, api_base, config or [], runs, json))


@app.command()
def settings(json: Json = False) -> None:
    """List every setting with its default and meaning."""
    from codemonkeys.cli import reading

    end(lambda: reading.settings(json))


@app.callback(invoke_without_command=True)
def version(
    show_version: Annotated[bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)] = False,
) -> None:
    """Takes real software issues and returns patches that resolve them."""
    if show_version:
        from codemonkeys import __version__

        print(f"codemonkeys {__version__}")
        raise typer.Exit

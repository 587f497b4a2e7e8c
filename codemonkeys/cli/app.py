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
ProfileName = Annotated[
    str | None, typer.Option("--profile", help="Settings for a purse: paper, balanced (the defaults) or cheap.")
]
Sandbox = Annotated[str | None, typer.Option("--sandbox", help="Where scripts run: local, docker or auto.")]
Budget = Annotated[float | None, typer.Option("--budget", help="US dollars the whole run may cost.")]
TaskBudget = Annotated[float | None, typer.Option("--task-budget", help="US dollars one task may cost.")]
AcceptChanges = Annotated[
    bool, typer.Option("--accept-changes", help="Do stored steps anew whose request has changed since.")
]
Run = Annotated[str | None, typer.Option("--run", help="Name of the run; the time of day if not given.")]
Replay = Annotated[Path | None, typer.Option("--replay", help="Recording or run.db that answers.")]
OwnPrompts = Annotated[Path | None, typer.Option("--prompts", help="Folder of templates that replace ours.")]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Only tell what it would cost and what --budget buys; no network, no key.")
]
DEFAULT_RUNS = Path("runs")


def settings_of(
    model: str | None,
    scan_model: str | None,
    api_base: str | None,
    sandbox: str | None,
    replay: Path | None,
    prompts: Path | None,
    budget: float | None,
    task_budget: float | None,
    profile: str | None,
) -> dict[str, object]:
    """The settings that options give."""
    return {
        "model": f"replay:{replay}" if replay else model,
        "scan_model": scan_model,
        "profile": profile,
        "prompts": prompts,
        "sandbox": {"kind": sandbox},
        "operation": {"api_base": api_base, "budget": budget, "task_budget": task_budget},
    }


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
    dataset: Annotated[
        str,
        typer.Argument(
            help="verified, lite, full, multilingual, multimodal, live, rebench; a Hugging Face id; SWE-bench rows "
            "(.parquet, .jsonl, .json); or a SWE-bench 5 task repository."
        ),
    ],
    instance: Annotated[list[str] | None, typer.Option("--instance", "-i", help="Task to solve. Repeat it.")] = None,
    split: Annotated[str | None, typer.Option("--split", help="Split of the dataset.")] = None,
    filter: Annotated[str | None, typer.Option("--filter", help="Regular expression that ids begin with.")] = None,
    slice: Annotated[str | None, typer.Option("--slice", help="Part of the tasks, as in Python: 0:50, -10:.")] = None,
    shuffle: Annotated[bool, typer.Option("--shuffle", help="Shuffle first, the same each time.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", help="At most so many tasks.", min=1)] = None,
    model: Model = None,
    scan_model: ScanModel = None,
    api_base: ApiBase = None,
    profile: ProfileName = None,
    config: Config = None,
    sandbox: Sandbox = None,
    run: Run = None,
    replay: Replay = None,
    prompts: OwnPrompts = None,
    budget: Budget = None,
    task_budget: TaskBudget = None,
    dry_run: DryRun = False,
    accept_changes: AcceptChanges = False,
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Solve tasks of a dataset.

    Example: codemonkeys solve tasks.jsonl -i pallets__flask-5014 -m anthropic/claude-sonnet-4-5 --budget 10
    """
    from codemonkeys.cli import solving

    given = settings_of(model, scan_model, api_base, sandbox, replay, prompts, budget, task_budget, profile)
    wanted: dict[str, object] = {"ids": instance or [], "split": split, "filter": filter, "slice": slice}
    wanted |= {"shuffle": shuffle, "limit": limit}
    if dry_run:
        end(lambda: solving.plan(dataset, wanted, config or [], given, json))
    end(lambda: solving.solve(dataset, wanted, config or [], given, runs, run, accept_changes, json))


@app.command()
def fix(
    repository: Annotated[Path, typer.Argument(help="Folder of a git repository.")],
    issue: Annotated[
        str, typer.Option("--issue", help="File (text, or JSON of a GitHub issue), - for standard input, or the text.")
    ],
    base: Annotated[str, typer.Option("--base", help="Commit to start from.")] = "HEAD",
    venv: Annotated[
        Path | None, typer.Option("--venv", help="Virtual environment to run in; .venv of the repository if not given.")
    ] = None,
    image: Annotated[
        str | None, typer.Option("--image", help="Container image to run in; else the repository's Dockerfile.")
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Commit the patch on a new branch, codemonkeys/RUN, and check it out.")
    ] = False,
    model: Model = None,
    scan_model: ScanModel = None,
    api_base: ApiBase = None,
    profile: ProfileName = None,
    config: Config = None,
    sandbox: Sandbox = None,
    run: Run = None,
    replay: Replay = None,
    prompts: OwnPrompts = None,
    budget: Budget = None,
    task_budget: TaskBudget = None,
    dry_run: DryRun = False,
    accept_changes: AcceptChanges = False,
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Resolve an issue of your own git repository, and print the patch: on standard output there is nothing else.

    Example: codemonkeys fix . --issue bug.md -m anthropic/claude-sonnet-4-5 --budget 3 > fix.patch
    """
    from codemonkeys.cli import fixing

    given = settings_of(model, scan_model, api_base, sandbox, replay, prompts, budget, task_budget, profile)
    asked = fixing.Asked(repository, issue, base, venv, image, apply)
    if dry_run:
        end(lambda: fixing.plan(asked, config or [], given, json))
    end(lambda: fixing.fix(asked, config or [], given, runs, run, accept_changes, json))


@app.command()
def resume(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    api_base: ApiBase = None,
    budget: Budget = None,
    task_budget: TaskBudget = None,
    accept_changes: AcceptChanges = False,
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Go on with a run that was stopped, that failed in part, or that reached its budget."""
    from codemonkeys.cli import solving

    operation = {"api_base": api_base, "budget": budget, "task_budget": task_budget}
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
def status(
    run: Annotated[str | None, typer.Argument(help="Name of the run; all of them if not given.")] = None,
    watch: Annotated[bool, typer.Option("--watch", help="On a terminal: look again while a session goes on.")] = False,
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Tell how a run stands, while it goes on or after: tasks by stage, votes, spend, speed, time left, failures.

    It only reads: another session may be working on the run.
    """
    from codemonkeys.cli import reading

    end(lambda: reading.status(runs, run, watch, json))


@app.command()
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
    """Write what others take from a run: predictions, a submission, trajectories, a recording."""
    from codemonkeys.cli import reading

    end(lambda: reading.export(runs, run, output, format, overwrite))


@app.command()
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
    """Grade predictions by the hidden tests: by the official harness on Docker, or equally in the local sandbox."""
    from codemonkeys.cli import evaluating

    how = evaluating.How(sandbox, isolated, workers, repeats, again)
    end(lambda: evaluating.evaluate_command(predictions, dataset, how, output, runs, json))


images = typer.Typer(no_args_is_help=True, help="Container images for tasks that have no published one.")
app.add_typer(images, name="images")
Dataset = Annotated[str, typer.Argument(help="SWE-bench rows or a SWE-bench 5 task repository.")]
Instances = Annotated[list[str] | None, typer.Option("--instance", "-i", help="Only this task. Repeat it.")]


@images.command("build")
def images_build(
    dataset: Dataset,
    instance: Instances = None,
    recipes: Annotated[
        Path | None, typer.Option("--recipes", help="YAML with these options for all tasks and, below tasks:, by id.")
    ] = None,
    python: Annotated[str | None, typer.Option("--python", help="Version of Python, such as 3.11.")] = None,
    base: Annotated[
        str | None, typer.Option("--base", help="Image to begin with; python:VERSION-slim if not given.")
    ] = None,
    requirements: Annotated[Path | None, typer.Option("--requirements", help="What pip is to install.")] = None,
    install: Annotated[
        str | None, typer.Option("--install", help="Command that installs the repository, without network.")
    ] = None,
    repository: Annotated[
        str | None, typer.Option("--repository", help="Git repository, a path or an address; GitHub's if not given.")
    ] = None,
    json: Json = False,
) -> None:
    """Build images from a task's Dockerfile, or from a version of Python, requirements and an install command.

    Packages are fetched by this machine's pip; the build itself has no network.
    """
    from codemonkeys.cli import images as commands
    from codemonkeys.tasks.recipes import Recipe

    def given() -> Recipe:
        return Recipe(python, base, str(requirements) if requirements else None, install, repository)

    end(lambda: commands.build(dataset, instance or [], recipes, given(), json))


@images.command("check")
def images_check(dataset: Dataset, instance: Instances = None, json: Json = False) -> None:
    """Check images: the tools are there, the hidden tests fail on the unedited code and pass with the reference fix."""
    from codemonkeys.cli import images as commands

    end(lambda: commands.check(dataset, instance or [], json))


@images.command("clean")
def images_clean(
    instance: Instances = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    json: Json = False,
) -> None:
    """Remove images built here and copies of images for the local sandbox, not while a run uses them; no others."""
    from codemonkeys.cli import images as commands

    end(lambda: commands.clean(instance or [], dry_run, json))


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
    """List every setting with its default and meaning, and the profiles."""
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

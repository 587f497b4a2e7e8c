"""Commands that solve: their arguments and options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codemonkeys.cli.exits import end
from codemonkeys.cli.options import (
    DEFAULT_RUNS,
    AcceptChanges,
    ApiBase,
    Budget,
    Config,
    DryRun,
    Json,
    Model,
    OwnPrompts,
    ProfileName,
    Replay,
    Run,
    Runs,
    Sandbox,
    ScanModel,
    TaskBudget,
    settings_of,
)


def demo(
    runs: Runs = DEFAULT_RUNS,
    sandbox: Sandbox = None,
    run: Annotated[str, typer.Option("--run", help="Name of the run.")] = "demo",
    prompts: OwnPrompts = None,
    json: Json = False,
) -> None:
    """Resolve a real, closed issue: no key, no Docker, 0 USD.

    Model answers are replayed, all else happens, and the patch is graded. Needs the package index once,
    to fetch two releases of the demo's package and its dependencies.
    """
    from codemonkeys.cli import solving

    end(lambda: solving.demo(runs, run, sandbox, prompts, json))


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
    """Resolve an issue of your own git repository.

    Prints the patch: on standard output there is nothing else.

    Example: codemonkeys fix . --issue bug.md -m anthropic/claude-sonnet-4-5 --budget 3 > fix.patch
    """
    from codemonkeys.cli import fixing

    given = settings_of(model, scan_model, api_base, sandbox, replay, prompts, budget, task_budget, profile)
    asked = fixing.FixRequest(repository, issue, base, venv, image, apply)
    if dry_run:
        end(lambda: fixing.plan(asked, config or [], given, json))
    end(lambda: fixing.fix(asked, config or [], given, runs, run, accept_changes, json))


def resume(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    api_base: ApiBase = None,
    budget: Budget = None,
    task_budget: TaskBudget = None,
    accept_changes: AcceptChanges = False,
    runs: Runs = DEFAULT_RUNS,
    json: Json = False,
) -> None:
    """Go on with a run that was stopped or that failed in part.

    Also with one that reached its budget: give more by --budget.
    """
    from codemonkeys.cli import resuming

    operation = {"api_base": api_base, "budget": budget, "task_budget": task_budget}
    end(lambda: resuming.resume(runs, run, operation, accept_changes, json))


def ensemble(
    members: Annotated[
        list[Path], typer.Argument(metavar="PRED...", help="Submissions: .json, .jsonl, or folders of the leaderboard.")
    ],
    dataset: Annotated[str, typer.Argument(help="Dataset of the tasks.")],
    instance: Annotated[list[str] | None, typer.Option("--instance", "-i", help="Task to decide. Repeat it.")] = None,
    select: Annotated[
        str,
        typer.Option(
            "--select",
            help="Rule that chooses: a name, or module:attribute. `agreement` needs no model and no sandbox.",
        ),
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
    """Choose one of the patches that other systems submitted.

    For each task, and without knowing which are right.

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

"""Arguments and options of the commands that run a pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codemonkeys.cli.exits import end
from codemonkeys.cli.options import (
    AcceptChanges,
    ApiBase,
    Batch,
    Budget,
    Config,
    DryRun,
    Effort,
    Json,
    KeepImages,
    Like,
    Model,
    OwnPrompts,
    ProfileName,
    RayAddress,
    Replay,
    Run,
    Runs,
    RunsOfFix,
    Sandbox,
    ScanModel,
    TaskBudget,
    batches,
    models_of,
    settings_of,
)
from codemonkeys.cli.places import HERE, holding, of_fix, planned


def solve(
    dataset: Annotated[
        str,
        typer.Argument(
            help="verified, lite, full, multilingual, multimodal, live, rebench, rebench-v2, pro, gym, smith; a "
            "Hugging Face id; rows (.parquet, .jsonl, .json); a SWE-bench 5 task repository; or Harbor tasks."
        ),
    ],
    instance: Annotated[
        list[str] | None, typer.Option("--instance", "-i", help="Id of a task to solve. Repeatable.")
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="Split of the dataset.")] = None,
    filter: Annotated[
        str | None,
        typer.Option("--filter", help="Only ids that match this regular expression (anchored at the start)."),
    ] = None,
    slice: Annotated[str | None, typer.Option("--slice", help="Slice of the tasks, as in Python: 0:50, -10:.")] = None,
    shuffle: Annotated[
        bool, typer.Option("--shuffle", help="Shuffle before slicing, always in the same order.")
    ] = False,
    limit: Annotated[int | None, typer.Option("--limit", help="Maximum number of tasks.", min=1)] = None,
    model: Model = None,
    scan_model: ScanModel = None,
    effort: Effort = None,
    api_base: ApiBase = None,
    profile: ProfileName = None,
    config: Config = None,
    sandbox: Sandbox = None,
    ray_address: RayAddress = None,
    run: Run = None,
    replay: Replay = None,
    prompts: OwnPrompts = None,
    budget: Budget = None,
    task_budget: TaskBudget = None,
    batch: Batch = None,
    keep_images: KeepImages = None,
    dry_run: DryRun = False,
    like: Like = None,
    accept_changes: AcceptChanges = False,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Solve tasks from a dataset.

    Example: codemonkeys solve tasks.jsonl -i pallets__flask-5014 -m anthropic/claude-haiku-4-5 --budget 5
    """
    from codemonkeys.cli import solving

    given = settings_of(
        *(model, scan_model, api_base, sandbox, replay, prompts, budget, task_budget, profile, effort, batch),
        keep_images=keep_images,
        ray_address=ray_address,
    )
    selection: dict[str, object] = {"ids": instance or [], "split": split, "filter": filter, "slice": slice}
    selection |= {"shuffle": shuffle, "limit": limit}
    if dry_run:
        end(lambda: solving.plan(dataset, selection, config or [], given, planned(runs, HERE, run, like), json))
    end(lambda: solving.solve(dataset, selection, config or [], given, runs or HERE, run, accept_changes, json))


def fix(
    repository: Annotated[Path, typer.Argument(help="Folder of the git repository.")],
    issue: Annotated[
        str,
        typer.Option(
            "--issue", help="File (text, or a GitHub issue as JSON), - for standard input, or the issue text itself."
        ),
    ],
    base: Annotated[str, typer.Option("--base", help="Base commit.")] = "HEAD",
    venv: Annotated[
        Path | None, typer.Option("--venv", help="Virtual environment to run in. Default: .venv of the repository.")
    ] = None,
    image: Annotated[
        str | None,
        typer.Option("--image", help="Container image to run in. Default: built from the repository's Dockerfile."),
    ] = None,
    scope: Annotated[
        str,
        typer.Option("--scope", help="Sub-folder that the issue is about: only its files are read, its tests are run."),
    ] = "",
    apply: Annotated[
        bool, typer.Option("--apply", help="Commit the patch on a new branch, codemonkeys/RUN, and check it out.")
    ] = False,
    model: Model = None,
    scan_model: ScanModel = None,
    effort: Effort = None,
    api_base: ApiBase = None,
    profile: ProfileName = None,
    config: Config = None,
    sandbox: Sandbox = None,
    ray_address: RayAddress = None,
    run: Run = None,
    replay: Replay = None,
    prompts: OwnPrompts = None,
    budget: Budget = None,
    task_budget: TaskBudget = None,
    batch: Batch = None,
    dry_run: DryRun = False,
    like: Like = None,
    accept_changes: AcceptChanges = False,
    runs: RunsOfFix = None,
    json: Json = False,
) -> None:
    """Resolve an issue in your own git repository.

    Standard output gets the patch and nothing else.

    Example: codemonkeys fix . --issue bug.md -m anthropic/claude-haiku-4-5 --budget 5 > fix.patch
    """
    from codemonkeys.cli import fixing

    given = settings_of(
        *(model, scan_model, api_base, sandbox, replay, prompts, budget, task_budget, profile, effort, batch),
        ray_address=ray_address,
    )
    request = fixing.FixRequest(repository, issue, base, venv, image, apply, scope)
    if dry_run:
        end(lambda: fixing.plan(request, config or [], given, planned(runs, of_fix(), run, like), json))
    end(lambda: fixing.fix(request, config or [], given, runs, run, accept_changes, json))


def resume(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    api_base: ApiBase = None,
    budget: Budget = None,
    task_budget: TaskBudget = None,
    batch: Batch = None,
    keep_images: KeepImages = None,
    ray_address: RayAddress = None,
    accept_changes: AcceptChanges = False,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Resume a run that was stopped or partly failed.

    To resume a run that reached its budget, raise it with --budget.
    """
    from codemonkeys.cli import resuming

    operation = {"api_base": api_base, "budget": budget, "task_budget": task_budget, "batch": batches(batch)}
    operation |= {"keep_images": keep_images, "cluster": {"address": ray_address}}
    end(lambda: resuming.resume(holding(runs, run), run, operation, accept_changes, json))


def select(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    rule: Annotated[
        str | None,
        typer.Option("--rule", help="Selection rule: a name, or module:attribute. Default: that of the choice --name."),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Name of the choice, to resume it too. Default: the rule's, and the model's."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Model that judges. Default: the one that judges in the run.")
    ] = None,
    api_base: ApiBase = None,
    config: Annotated[
        list[str] | None,
        typer.Option("--config", "-c", help="Settings of selection, models or operation, as for solve. Repeatable."),
    ] = None,
    prompts: OwnPrompts = None,
    budget: Annotated[
        float | None, typer.Option("--budget", help="Spending limit for this choice, in US dollars.")
    ] = None,
    accept_changes: AcceptChanges = False,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Select anew among the candidates of a stored run.

    The choice stands beside the run's own, which is left as it is; what the run has paid for is not paid again.

    Example: codemonkeys select RUN --rule judge -m anthropic/claude-haiku-4-5 --budget 5
    """
    from codemonkeys.cli import selecting

    given = {"prompts": prompts, "operation": {"api_base": api_base, "budget": budget}}
    asked = selecting.Options(rule, name, model, config or [], given)
    end(lambda: selecting.select(holding(runs, run), run, asked, accept_changes, json))


def ensemble(
    members: Annotated[
        list[Path],
        typer.Argument(
            metavar="PRED...", help="Submissions: predictions files, logs of inspect, or folders of other systems."
        ),
    ],
    dataset: Annotated[str, typer.Argument(help="Dataset of the tasks.")],
    instance: Annotated[
        list[str] | None, typer.Option("--instance", "-i", help="Id of a task to decide. Repeatable.")
    ] = None,
    select: Annotated[
        str | None,
        typer.Option(
            "--select",
            help="Selection rule: a name, or module:attribute. Default: that of -c, else `agreement`, which needs no "
            "model and no sandbox.",
        ),
    ] = None,
    family: Annotated[
        list[str] | None,
        typer.Option("--family", help="NAME=GLOB: members whose names match form one family. Repeatable."),
    ] = None,
    tests: Annotated[
        Path | None,
        typer.Option("--tests", help="Folder with test scripts, FOLDER/<task id>/*.py. Default: a model writes them."),
    ] = None,
    abstain: Annotated[
        float,
        typer.Option(
            "--abstain", min=0, max=1, help="Share of the tasks to abstain on: those that the rule is least sure of."
        ),
    ] = 0.0,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Predictions file to write.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Overwrite an existing file.")] = False,
    verdicts: Annotated[
        list[str] | None, typer.Option("--verdicts", help="Verdicts file, for a report after selection. Repeatable.")
    ] = None,
    model: Model = None,
    effort: Effort = None,
    api_base: ApiBase = None,
    config: Config = None,
    sandbox: Sandbox = None,
    ray_address: RayAddress = None,
    run: Annotated[
        str | None, typer.Option("--run", help="Name of the run. Default: the current date and time.")
    ] = None,
    budget: Budget = None,
    accept_changes: AcceptChanges = False,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Select among patches that other systems submitted.

    Picks one patch per task, without access to labels.

    Example: codemonkeys ensemble one.jsonl two/preds.json three/ tasks.jsonl -o chosen.jsonl
    """
    from codemonkeys.cli import ensembling

    given = {
        "model": model,
        "models": models_of(effort),
        "selection": {"rule": select},
        "sandbox": {"kind": sandbox},
        "operation": {"api_base": api_base, "budget": budget, "cluster": {"address": ray_address}},
    }
    inputs = ensembling.Inputs(members, dataset, instance or [], family or [], tests, abstain)
    outputs = ensembling.Outputs(output, overwrite, verdicts or [], json)
    end(lambda: ensembling.ensemble(inputs, config or [], given, runs or HERE, run, accept_changes, outputs))

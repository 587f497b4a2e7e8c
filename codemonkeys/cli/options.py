"""Options shared by several commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from codemonkeys.stages import DIGEST, RANK, RELEVANCE, ROLES

Runs = Annotated[
    Path | None,
    typer.Option("--runs", help="Folder that holds the runs. Default: runs.", envvar="CODEMONKEYS_RUNS"),
]
RunsOfFix = Annotated[
    Path | None,
    typer.Option(
        "--runs",
        help="Folder that holds the runs. Default: one in your state folder, so that nothing is put into the "
        "repository; other commands find its runs by name.",
        envvar="CODEMONKEYS_RUNS",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Model = Annotated[
    str | None,
    typer.Option("--model", "-m", help="Primary model: a litellm name, `fake`, `replay:FILE`, or module:attribute."),
]
ScanModel = Annotated[
    str | None, typer.Option("--scan-model", help="Cheap model for reading every file. Default: the primary model.")
]
Effort = Annotated[
    str | None,
    typer.Option(
        "--effort",
        help="How hard reasoning models think, such as low, medium or high: all but the scan model, for which "
        "models.scan.effort is the setting.",
    ),
]
ApiBase = Annotated[str | None, typer.Option("--api-base", help="Base URL of an OpenAI-compatible endpoint.")]
Config = Annotated[
    list[str] | None, typer.Option("--config", "-c", help="Settings: a YAML file, or key=value. Repeatable.")
]
ProfileName = Annotated[
    str | None,
    typer.Option("--profile", help="Preset of settings: paper, balanced (the defaults), cheap, agent, agent-cheap."),
]
Sandbox = Annotated[
    str | None,
    typer.Option(
        "--sandbox", help="Where scripts run: auto, local, docker, here, ray, or another by name or module:attribute."
    ),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray-address",
        help="Cluster of --sandbox ray: auto, HOST:PORT, or local (default: one for this command).",
    ),
]
Budget = Annotated[float | None, typer.Option("--budget", help="Spending limit for the whole run, in US dollars.")]
TaskBudget = Annotated[float | None, typer.Option("--task-budget", help="Spending limit for each task, in US dollars.")]
Batch = Annotated[
    bool | None,
    typer.Option(
        "--batch/--no-batch",
        help="Send what reads and ranks files through the provider's batch API: about half the price, within a day.",
    ),
]
KeepImages = Annotated[
    int | None,
    typer.Option(
        "--keep-images",
        help="Container images that stay once their tasks have ended; others that were pulled are removed. Default: "
        "all.",
        min=0,
    ),
]
AcceptChanges = Annotated[bool, typer.Option("--accept-changes", help="Redo stored steps whose request has changed.")]
Choice = Annotated[
    str | None, typer.Option("--choice", help="Named choice of the run, as made by select. Default: the run's own.")
]
Run = Annotated[str | None, typer.Option("--run", help="Name of the run. Default: the current date and time.")]
Replay = Annotated[Path | None, typer.Option("--replay", help="Replay answers from this recording or run.db.")]
OwnPrompts = Annotated[
    Path | None, typer.Option("--prompts", help="Folder of templates that override the built-in ones.")
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Print an estimate of the cost and of what --budget buys; needs no network and no key."
    ),
]


Like = Annotated[
    str | None,
    typer.Option("--like", help="For --dry-run: expect calls and tokens as this run has used them.", metavar="RUN"),
]


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
    effort: str | None = None,
    batch: bool | None = None,
    keep_images: int | None = None,
    ray_address: str | None = None,
) -> dict[str, object]:
    """Settings given by options."""
    operation = {"api_base": api_base, "budget": budget, "task_budget": task_budget, "batch": batches(batch)}
    return {
        "model": f"replay:{replay}" if replay else model,
        "scan_model": scan_model,
        "models": models_of(effort),
        "profile": profile,
        "prompts": prompts,
        "sandbox": {"kind": sandbox},
        "operation": operation | {"keep_images": keep_images, "cluster": {"address": ray_address}},
    }


def models_of(effort: str | None) -> dict[str, object]:
    """Parameters by role that `--effort` stands for. Reading every file is the work of a cheap model, and stays so."""
    return {} if effort is None else {role: {"effort": effort} for role in ROLES if role != "scan"}


def batches(wanted: bool | None) -> dict[str, object]:
    """Settings given by `--batch`: which stages go in batches."""
    return {"stages": None if wanted is None else [stage.name for stage in (DIGEST, RELEVANCE, RANK) if wanted]}

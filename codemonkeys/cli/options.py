"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Runs = Annotated[Path, typer.Option("--runs", help="Folder of all runs.", envvar="CODEMONKEYS_RUNS")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Model = Annotated[
    str | None,
    typer.Option("--model", "-m", help="Primary model: a litellm name, `fake`, `replay:FILE`, or module:attribute."),
]
ScanModel = Annotated[str | None, typer.Option("--scan-model", help="Cheap model that reads every file.")]
ApiBase = Annotated[str | None, typer.Option("--api-base", help="Address of an OpenAI-compatible endpoint.")]
Config = Annotated[
    list[str] | None, typer.Option("--config", "-c", help="Settings: a YAML file, or key=value. Repeat it.")
]
ProfileName = Annotated[
    str | None, typer.Option("--profile", help="Settings for a purse: paper, balanced (the defaults) or cheap.")
]
Sandbox = Annotated[
    str | None,
    typer.Option("--sandbox", help="Where scripts run: auto, local, docker, or another by name or module:attribute."),
]
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

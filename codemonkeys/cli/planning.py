"""`--dry-run`: what a run would come to, before anything is spent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from codemonkeys.cli.console import out, print_json, say
from codemonkeys.cli.exits import Exit
from codemonkeys.errors import UnpricedModel
from codemonkeys.models.base import Price
from codemonkeys.models.prices import price_of
from codemonkeys.planning.costs import StageCost
from codemonkeys.planning.plan import Plan, make_plan
from codemonkeys.settings import Settings
from codemonkeys.stages import STAGES
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.environments import default_home

SHOWN_TASKS = 30
ASSUMPTIONS = (
    "Relevance and the templates are counted on the real codebases, in cl100k tokens; a provider may count up to a "
    "quarter more.",
    "Expected: conversations as long, and as often ended early, as in the CodeMonkeys paper (arXiv 2501.14723, Table 1 "
    "and Figure 5), and prompts read from the provider's cache as there.",
    "At most: every conversation makes all its turns, every answer is as long as it may be, nothing is cached. "
    "Summaries of files are taken to have up to 200 tokens, outputs a token a character, patches twice an answer. A "
    "call that is cut off and asked again, as after a crash, is paid twice and not in it.",
)


def dry_run(tasks: list[Task], settings: Settings, as_json: bool) -> Exit:
    """Print the plan of a run. Raises UnpricedModel under a budget, as the run would."""
    primary = price_known(settings.model, settings)
    scan = price_known(settings.scan_model or settings.model, settings)
    if settings.operation.budget is not None and settings.model is not None and None in (primary, scan):
        raise UnpricedModel(
            f"a budget was given, but nobody knows what {settings.model} or {settings.scan_model} costs: give prices "
            "in a registry file with -c operation.prices=FILE (JSON, as LITELLM_MODEL_REGISTRY_PATH has it)"
        )
    plan = make_plan(tasks, settings, primary, scan, default_home(), lambda task: say(f"{task}: counting its codebase"))
    if as_json:
        print_json(as_plain(plan, settings))
    else:
        show(plan, settings)
    return Exit.DONE


def price_known(name: str | None, settings: Settings) -> Price | None:
    """The price of a model, looked up without the model; None if nobody knows."""
    if name is None:
        return None
    if name == "fake" or name.startswith("replay:"):
        return Price()
    return price_of(name, settings.operation.prices)


def as_plain(plan: Plan, settings: Settings) -> dict[str, Any]:
    """The plan as JSON has it."""
    tasks = [
        {
            "task": planned.task,
            "measured": planned.measured,
            "files": planned.files,
            "source_tokens": planned.source_tokens,
            "expected_usd": planned.total.expected_usd,
            "most_usd": planned.total.most_usd,
        }
        for planned in plan.tasks
    ]
    return {
        "model": settings.model,
        "scan_model": settings.scan_model or settings.model,
        "samples": settings.generation.samples,
        "stages": {name: plain_stage(stage) for name, stage in in_use(plan).items()},
        "total": plain_stage(plan.total),
        "budget_usd": settings.operation.budget,
        "affordable": [asdict(offer) for offer in plan.affordable],
        "tasks": tasks,
        "assumptions": ASSUMPTIONS,
    }


def in_use(plan: Plan) -> dict[str, StageCost]:
    """The stages of every run, and those that other settings have added."""
    return {name: stage for name, stage in plan.stages.items() if stage.most_calls or STAGES[name].always}


def plain_stage(stage: StageCost) -> dict[str, Any]:
    """A stage as JSON has it: expected calls and tokens, and dollars."""
    usage = {name: count for name, count in asdict(stage.usage).items() if name != "raw"}
    dollars = {"expected_usd": stage.expected_usd, "most_usd": stage.most_usd}
    return {"expected_calls": round(stage.calls), "most_calls": stage.most_calls, **usage, **dollars}


def show(plan: Plan, settings: Settings) -> None:
    """Print the plan for people."""
    from codemonkeys.report.tables import dollars, new_table, plain

    console = out()
    table = new_table("task", "files", "source tokens", "expected", "at most", "", numbers=("files", "source tokens"))
    for planned in plan.tasks[:SHOWN_TASKS]:
        note = "" if planned.measured else "estimated: its codebase is not here yet"
        total = planned.total
        sizes = (f"{planned.files:,}", f"{planned.source_tokens:,}")
        table.add_row(plain(planned.task), *sizes, dollars(total.expected_usd), dollars(total.most_usd), note)
    console.print(table)
    if len(plan.tasks) > SHOWN_TASKS:
        console.print(f"and {len(plan.tasks) - SHOWN_TASKS} more, all with --json")
    columns: dict[str, Callable[[StageCost], str]] = {
        "calls": lambda stage: f"{stage.calls:,.0f}",
        "at most ": lambda stage: f"{stage.most_calls:,}",
        "prompt": lambda stage: f"{stage.usage.prompt_tokens:,}",
        "of it cached": lambda stage: f"{stage.usage.cache_read_tokens:,}",
        "completion": lambda stage: f"{stage.usage.completion_tokens:,}",
        "expected": lambda stage: dollars(stage.expected_usd),
        "at most": lambda stage: dollars(stage.most_usd),
    }
    table = new_table("stage", *columns, numbers=tuple(columns))
    for name, stage in in_use(plan).items():
        table.add_row(name, *(cell(stage) for cell in columns.values()))
    table.add_row("all", *(cell(plan.total) for cell in columns.values()), style="bold")
    console.print()
    console.print(table)
    console.print()
    show_budget(plan, settings)
    missing = sum(not planned.measured for planned in plan.tasks)
    if missing:
        console.print(
            f"{missing} of {len(plan.tasks)} codebases are not on this machine yet: they are taken to be as large as "
            "those that are, those of the same repository first; if none is, as the average of the paper."
        )
    for assumption in ASSUMPTIONS:
        console.print(plain(assumption, "dim"))


def show_budget(plan: Plan, settings: Settings) -> None:
    """What the budget can buy."""
    from codemonkeys.report.tables import dollars, new_table

    if not plan.affordable:
        return
    console, operation = out(), settings.operation
    limits = [f"{dollars(operation.budget)} for the run"] if operation.budget else []
    limits += [f"{dollars(operation.task_budget)} for a task"] if operation.task_budget else []
    console.print(f"For {' and '.join(limits)}, expected:")
    table = new_table(
        "turns of a conversation", "samples for each task", "cost", numbers=("samples for each task", "cost")
    )
    for offer in plan.affordable:
        samples = str(offer.samples) if offer.samples else "none: one costs"
        table.add_row(str(offer.turns), samples, dollars(offer.expected_usd))
    console.print(table)
    console.print("Set them with -c generation.samples=N -c generation.test_turns=T -c generation.edit_turns=T.")
    console.print()

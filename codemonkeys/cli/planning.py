"""`--dry-run`: an estimate of a run's cost before anything is spent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from codemonkeys.cli.console import out, print_json, say
from codemonkeys.cli.exits import Exit
from codemonkeys.cli.places import PlannedRun, option_of
from codemonkeys.compute.policies import name_of
from codemonkeys.errors import UnpricedModel
from codemonkeys.models.base import Price
from codemonkeys.models.counting import EXACT, counting_of
from codemonkeys.models.prices import price_of
from codemonkeys.models.roles import ModelSet, call_parameters
from codemonkeys.models.windows import window_of
from codemonkeys.planning.experience import Experience, read_experience
from codemonkeys.planning.measures import CountingModel
from codemonkeys.planning.models import PlannedModel, PlannedModels
from codemonkeys.planning.plan import Plan, make_plan
from codemonkeys.planning.stage_cost import StageCost
from codemonkeys.runs.estimate_file import write_estimate
from codemonkeys.runs.solve import check_choices
from codemonkeys.runs.windows import fit_settings, windows_of
from codemonkeys.settings import Settings
from codemonkeys.settings.roles import check_models, names_of, operation_of
from codemonkeys.stages import ROLES, STAGES, Role
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.environments import default_home
from codemonkeys.wording import counted

MAX_TASKS = 30
COUNTED = (
    "Relevance and the templates are counted on the real repositories, in cl100k tokens; the upper bound allows for "
    "providers that count more."
)
PAPER = (
    "Expected: conversations are as long, and end early as often, as in the CodeMonkeys paper (arXiv 2501.14723, Table "
    "1 and Figure 5), and prompts hit the provider's cache as there."
)
BOUND = (
    "Upper bound: every conversation uses all its turns, every answer has the maximum length, nothing is cached. "
    "File summaries count 200 tokens, outputs one token per character, patches twice an answer. A "
    "call that is cut off and retried, as after a crash, is paid twice, which is not included."
)


def assumptions(settings: Settings, experience: Experience | None) -> tuple[str, ...]:
    """What the estimate rests on."""
    drawn = samples_drawn(settings, experience)
    if experience is None:
        return COUNTED, PAPER, *drawn, BOUND
    tasks = counted(experience.tasks, "task")
    learned = (
        f"Expected: calls per task and tokens per call of each stage are those of {tasks} that ended in the run "
        f"{experience.run}, those of trajectories in proportion to the samples of their kind, and with no more turns "
        "than these settings allow; stages that it did not have are as in the CodeMonkeys paper."
    )
    return COUNTED, learned, *drawn, BOUND


def samples_drawn(settings: Settings, experience: Experience | None) -> tuple[str, ...]:
    """How many samples the expected figures have, in a sentence; none where every task draws all of them."""
    policy, samples = name_of(settings), settings.generation.samples
    earlier = "fixed" if experience is None else experience.policy
    if policy == earlier == "fixed":
        return ()
    if experience is None or earlier == "fixed":
        said = f"every task draws all {samples} samples; what the policy {policy} saves of them is not counted."
    elif policy == earlier:
        said = f"tasks draw as many of their samples as under the same policy, {policy}, in the run {experience.run}."
    else:
        said = (
            f"tasks draw as many of their samples as under the policy {earlier} in the run {experience.run}; the "
            f"change to {policy} is not counted."
        )
    return (f"Expected: {said}",)


def dry_run(tasks: list[Task], settings: Settings, place: PlannedRun, as_json: bool) -> Exit:
    """Print the estimate of a run.

    Raises what the run would: UnpricedModel under a budget, BadSettings for a rule or policy that it could not go by;
    and BadInput for no such run to be like.
    """
    check_choices(settings)
    if settings.model is not None:
        check_models(settings)
    models = planned_models(settings)
    if settings.operation.budget is not None and settings.model is not None and not models.are_priced:
        raise UnpricedModel(
            f"a budget was given, but {' or '.join(unpriced(settings))} has no known price: give prices "
            "in a registry file with -c operation.prices=FILE (JSON, in the format of LITELLM_MODEL_REGISTRY_PATH)"
        )
    lowered: list[str] = []
    named = named_models(settings)
    settings = fit_settings(settings, named, windows_of(named, settings.context.token_margin), lowered.append)
    for line in lowered:
        say(line)
    experience = experience_of(place)
    plan = make_plan(
        *(tasks, settings, models, default_home()),
        lambda task: say(f"{task}: counting tokens of its repository"),
        experience,
    )
    if as_json:
        print_json({**plan_json(plan, settings, experience), "lowered": lowered})
    else:
        show(plan, settings, experience)
    estimates = {planned.task: planned.total.expected_usd for planned in plan.tasks}
    if place.name is not None and write_estimate(place.runs, place.name, estimates):
        where = option_of(place.runs)
        say(f"Kept in {place.runs / place.name}: `codemonkeys status {place.name}{where}` compares the run with it.")
    return Exit.DONE


def experience_of(place: PlannedRun) -> Experience | None:
    """What the run that this one is like has really used."""
    found = None if place.like is None else read_experience(place.like)
    if place.like is not None and found is None:
        say(f"No task of the run {place.like.parent.name} has ended: nothing can be learned from it yet.")
    return found


def unpriced(settings: Settings) -> list[str]:
    """Names of the models whose price is not known."""
    names = dict.fromkeys(name for role in ROLES for name in names_of(settings, role))
    return [name for name in names if known_price(name, settings) is None]


def planned_models(settings: Settings) -> PlannedModels:
    """What is known of the models of a run without opening them."""

    def planned(role: Role) -> tuple[PlannedModel, ...]:
        return tuple(planned_model(settings, role, name) for name in names_of(settings, role) or (None,))

    (primary,), (scan,), (judge,) = planned("primary"), planned("scan"), planned("judge")
    return PlannedModels(primary, scan, planned("writer"), judge)


def planned_model(settings: Settings, role: Role, name: str | None) -> PlannedModel:
    """What is known of a model in a role."""
    if name is None:
        return PlannedModel(None)
    own = name == "fake" or name.startswith("replay:")
    limits, connection = settings.operation.limits_of(name), operation_of(settings, role, name)
    counting = EXACT if own else counting_of(name, connection.api_base)
    counting = counting.given(limits.token_ratio, limits.reasoning_beside)
    return PlannedModel(known_price(name, settings), counting, call_parameters(settings, role, name))


def named_models(settings: Settings) -> ModelSet:
    """Stand-ins for the models of the settings, with their names and windows, none of them opened."""

    def named(role: Role) -> tuple[CountingModel, ...]:
        names = names_of(settings, role) or ("none",)
        return tuple(CountingModel(name, None, window_of(name, settings.operation.prices)) for name in names)

    parameters = {
        (role, name): call_parameters(settings, role, name) for role in ROLES for name in names_of(settings, role)
    }
    return ModelSet(named("primary")[0], named("scan")[0], named("writer"), named("judge")[0], parameters)


def known_price(name: str | None, settings: Settings) -> Price | None:
    """The price of a model, looked up without opening the model; None if unknown."""
    if name is None:
        return None
    if name == "fake" or name.startswith("replay:"):
        return Price()
    return price_of(name, settings.operation.prices)


def plan_json(plan: Plan, settings: Settings, experience: Experience | None = None) -> dict[str, Any]:
    """The estimate as a JSON-able value."""
    from codemonkeys.report.model_roles import roles_of

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
        "roles": roles_of(settings),
        "like": None if experience is None else {"run": experience.run, "tasks": experience.tasks},
        "samples": settings.generation.samples,
        "stages": {name: stage_json(stage) for name, stage in in_use(plan).items()},
        "total": stage_json(plan.total),
        "budget_usd": settings.operation.budget,
        "affordable": [asdict(option) for option in plan.affordable],
        "tasks": tasks,
        "assumptions": assumptions(settings, experience),
    }


def in_use(plan: Plan) -> dict[str, StageCost]:
    """Stages that every run has, plus those enabled by the settings."""
    return {name: stage for name, stage in plan.stages.items() if stage.most_calls or STAGES[name].always}


def stage_json(stage: StageCost) -> dict[str, Any]:
    """A stage as a JSON-able value: expected calls and tokens, and US dollars."""
    usage = {name: count for name, count in asdict(stage.usage).items() if name != "raw"}
    dollars = {"expected_usd": stage.expected_usd, "most_usd": stage.most_usd}
    return {"expected_calls": round(stage.calls), "most_calls": stage.most_calls, **usage, **dollars}


def show(plan: Plan, settings: Settings, experience: Experience | None = None) -> None:
    """Print the estimate as tables."""
    from codemonkeys.report.model_roles import roles_table
    from codemonkeys.report.tables import dollars, new_table, plain

    console = out()
    if settings.model is not None:
        console.print(roles_table(settings))
        console.print()
    table = new_table(
        "task", "files", "source tokens", "expected", "upper bound", "", numbers=("files", "source tokens")
    )
    for planned in plan.tasks[:MAX_TASKS]:
        note = "" if planned.measured else "extrapolated: its repository is not on this machine"
        total = planned.total
        sizes = (f"{planned.files:,}", f"{planned.source_tokens:,}")
        table.add_row(plain(planned.task), *sizes, dollars(total.expected_usd), dollars(total.most_usd), note)
    console.print(table)
    if len(plan.tasks) > MAX_TASKS:
        console.print(f"and {len(plan.tasks) - MAX_TASKS} more; --json lists all")
    columns: dict[str, Callable[[StageCost], str]] = {
        "calls": lambda stage: f"{stage.calls:,.0f}",
        "max calls": lambda stage: f"{stage.most_calls:,}",
        "prompt": lambda stage: f"{stage.usage.prompt_tokens:,}",
        "cached": lambda stage: f"{stage.usage.cache_read_tokens:,}",
        "completion": lambda stage: f"{stage.usage.completion_tokens:,}",
        "expected": lambda stage: dollars(stage.expected_usd),
        "upper bound": lambda stage: dollars(stage.most_usd),
    }
    table = new_table("stage", *columns, numbers=tuple(columns))
    for name, stage in in_use(plan).items():
        table.add_row(name, *(cell(stage) for cell in columns.values()))
    table.add_row("total", *(cell(plan.total) for cell in columns.values()), style="bold")
    console.print()
    console.print(table)
    console.print()
    show_budget(plan, settings)
    missing = sum(not planned.measured for planned in plan.tasks)
    if missing:
        console.print(
            f"{missing} of {len(plan.tasks)} repositories are not on this machine yet; their size is assumed to be the "
            "mean of those that are, of the same project if possible, else the paper's average."
        )
    for assumption in assumptions(settings, experience):
        console.print(plain(assumption, "dim"))


def show_budget(plan: Plan, settings: Settings) -> None:
    """Print what the budget can buy."""
    from codemonkeys.report.tables import dollars, new_table

    if not plan.affordable:
        return
    console, operation = out(), settings.operation
    limits = [f"{dollars(operation.budget)} for the run"] if operation.budget else []
    limits += [f"{dollars(operation.task_budget)} per task"] if operation.task_budget else []
    console.print(f"For {' and '.join(limits)}, expected:")
    table = new_table("turns per conversation", "samples per task", "cost", numbers=("samples per task", "cost"))
    for option in plan.affordable:
        samples = str(option.samples) if option.samples else "none; one costs"
        table.add_row(str(option.turns), samples, dollars(option.expected_usd))
    console.print(table)
    console.print("Set them with -c generation.samples=N -c generation.test_turns=T -c generation.edit_turns=T.")
    console.print()

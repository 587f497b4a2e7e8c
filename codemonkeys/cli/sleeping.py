"""`sleep`: makes the digests of repositories ahead of any issue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from codemonkeys.cli import places
from codemonkeys.cli.console import Progress, out, print_json, say
from codemonkeys.cli.exits import Exit
from codemonkeys.cli.signals import run_until_stopped
from codemonkeys.cli.solving import without_none
from codemonkeys.journal import run_files
from codemonkeys.runs.outcomes import State
from codemonkeys.runs.session import Options, RunRequest, Summary
from codemonkeys.runs.sleeping import request_to_sleep, reuse_of, settings_to_sleep, tasks_to_read
from codemonkeys.runs.sleeping import sleep as sleep_request
from codemonkeys.runs.solve import run_name
from codemonkeys.settings import Settings, load_settings
from codemonkeys.tasks.base import Task


@dataclass(frozen=True)
class Which:
    """What to make digests of, as given on the command line."""

    source: str
    selection: dict[str, Any]
    """Fields of `TaskFilter`, for a dataset."""
    bases: Sequence[str] = ()
    scope: str = ""

    def commits(self) -> Sequence[Task] | None:
        """Commits of a git repository; None for a dataset. Raises BadInput for options that do not fit the source."""
        found = tasks_to_read(self.source, any(self.selection.values()), self.bases, self.scope)
        return None if isinstance(found, str | Path) else found


def start(
    which: Which,
    configs: list[str],
    given: dict[str, Any],
    runs: Path | None,
    name: str | None,
    accept_changes: bool,
    as_json: bool,
) -> Exit:
    """Make digests in a new run, or in one resumed by name. `runs`: the folder of runs that the user names, if any."""
    from codemonkeys.tasks.filtering import TaskFilter, choose

    settings, name, commits = load_settings(configs, **without_none(given)), run_name(name), which.commits()
    runs = runs or places.find(None, name) or (places.HERE if commits is None else places.of_fix())
    source: str | Sequence[Task]
    source, ids = choose(which.source, TaskFilter(**which.selection)) if commits is None else (commits, [])
    return carry_out(request_to_sleep(source, settings, ids, runs, name), runs, name, accept_changes, as_json)


def carry_out(request: RunRequest, runs: Path, name: str, accept_changes: bool, as_json: bool) -> Exit:
    """Run the session with progress output, and print what was reused."""
    with Progress(run_files.run_folder(runs, name)) as progress:
        options = Options(runs, name, accept_changes, progress.notify)
        summary = run_until_stopped(lambda stop: sleep_request(request, replace(options, stop=stop)), progress.notify)
    code = exit_of(summary)
    found = reuse_of(summary.folder)
    if as_json:
        told = {task: asdict(reuse) for task, reuse in found.items()}
        values = {"run": name, "folder": str(summary.folder), "exit": int(code), "spent_usd": summary.spent}
        print_json({**values, "tasks": told, "ended": [asdict(task) for task in summary.ended]})
        return code
    from codemonkeys.report.tables import dollars

    for task in summary.ended:
        print(f"{task.task}: {task.state}. {found.get(task.task, task.reason)}")
        if task.task in found and task.state != State.DIGESTED:
            print(f"  {task.reason}")
    asked, known = (sum(getattr(reuse, name) for reuse in found.values()) for name in ("asked", "known"))
    print(f"{known} of {asked} long definitions were described before. Spent: {dollars(summary.spent)}.")
    if code is Exit.DONE:
        say("Runs with -c context.mode=digest and the same scan model read them.")
    else:
        say(f"Resume with: codemonkeys resume {name}{places.option_of(runs)}")
    return code


def exit_of(summary: Summary) -> Exit:
    """The exit code of a session."""
    if summary.waiting:
        return Exit.INTERRUPTED
    if summary.over_budget:
        return Exit.BUDGET
    return Exit.DONE if all(task.state == State.DIGESTED for task in summary.ended) else Exit.FAILED


def plan(which: Which, configs: list[str], given: dict[str, Any], as_json: bool) -> Exit:
    """Print what it would cost."""
    from codemonkeys.cli.planning import named_models, planned_models
    from codemonkeys.planning.sleeping import SleepEstimate, sleep_estimates
    from codemonkeys.tasks.environments import default_home
    from codemonkeys.tasks.filtering import TaskFilter, choose
    from codemonkeys.tasks.sources import load_tasks

    settings, tasks = settings_to_sleep(load_settings(configs, **without_none(given))), which.commits()
    if tasks is None:
        tasks = load_tasks(*choose(which.source, TaskFilter(**which.selection), cached=True))
    models = named_models(settings), planned_models(settings)
    found = list(sleep_estimates(tasks, settings, *models, default_home()))
    estimates = [estimate for estimate in found if isinstance(estimate, SleepEstimate)]
    missing = [estimate for estimate in found if isinstance(estimate, str)]
    if as_json:
        print_json({"tasks": [asdict(estimate) for estimate in estimates], "not_here": missing})
    else:
        show(estimates, missing, settings)
    return Exit.DONE


def show(estimates: Sequence[Any], missing: Sequence[str], settings: Settings) -> None:
    """Print estimates as a table."""
    from codemonkeys.planning.stage_cost import StageCost
    from codemonkeys.report.tables import dollars, new_table, plain

    numbers = ("files", "definitions", "long", "known", "calls", "tokens", "expected", "upper bound")
    table = new_table("task", *numbers, numbers=numbers)
    for one in estimates:
        counts = (one.files, one.definitions, one.asked, one.known, one.cost.calls, one.cost.usage.prompt_tokens)
        table.add_row(plain(one.task), *(f"{count:,}" for count in counts), *map(dollars, bounds(one.cost)))
    total = sum((one.cost for one in estimates), StageCost())
    table.add_row(
        "total", *[""] * 4, f"{total.calls:,}", f"{total.usage.prompt_tokens:,}", *map(dollars, bounds(total))
    )
    out().print(table)
    if missing:
        print(f"{len(missing)} repositories are not on this machine yet, and not in the estimate: {', '.join(missing)}")
    budget = settings.operation.budget
    if budget is not None and total.most_usd is not None and total.most_usd > budget:
        print("The budget is less than the upper bound: what it does not pay for is made when the run is resumed.")


def bounds(cost: Any) -> tuple[float | None, float | None]:
    """The expected cost and the upper bound, in US dollars."""
    return cost.expected_usd, cost.most_usd

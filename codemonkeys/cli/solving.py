"""`solve` and `demo`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from codemonkeys.cli.console import Progress, out, print_json, say
from codemonkeys.cli.exits import Exit, exit_of, warn_of_untested
from codemonkeys.cli.places import PlannedRun, option_of, places
from codemonkeys.cli.signals import run_until_stopped
from codemonkeys.journal import queries, run_files
from codemonkeys.journal.caches import cache_use
from codemonkeys.runs.session import Options, RunRequest, Summary
from codemonkeys.runs.solve import request_of, run_name
from codemonkeys.runs.solve import solve as solve_request
from codemonkeys.settings import Settings, load_settings
from codemonkeys.tasks.backends import check_address
from codemonkeys.tasks.base import Task


def solve(
    dataset: str,
    selection: dict[str, Any],
    configs: Sequence[str],
    given: dict[str, Any],
    runs: Path,
    name: str | None,
    accept_changes: bool,
    as_json: bool,
) -> Exit:
    """Start a run, or resume one with equal settings. `selection`: the fields of `TaskFilter`."""
    from codemonkeys.tasks.filtering import TaskFilter, choose
    from codemonkeys.tasks.preflight import disk_notices, notices

    settings, name = settings_given(configs, given), run_name(name)
    settings = calibrated_settings(settings, runs)
    source, ids = choose(dataset, TaskFilter(**selection))
    request = request_of(source, settings, ids, runs, name)
    for line in [*notices(source, ids), *disk_notices(request.tasks, *images_kept(settings))]:
        say(line)
    tell_what_is_missing(request.tasks, settings)
    return finish(carry_out(request, runs, name, accept_changes), runs, as_json)


def plan(
    dataset: str,
    selection: dict[str, Any],
    configs: Sequence[str],
    given: dict[str, Any],
    place: PlannedRun,
    as_json: bool,
) -> Exit:
    """Print a cost estimate for `solve`."""
    from codemonkeys.cli.planning import dry_run
    from codemonkeys.tasks.filtering import TaskFilter, choose
    from codemonkeys.tasks.preflight import disk_notices, notices
    from codemonkeys.tasks.sources import load_tasks

    settings = calibrated_settings(settings_given(configs, given), place.runs)
    source, ids = choose(dataset, TaskFilter(**selection), cached=True)
    tasks = load_tasks(source, ids)
    for line in [*notices(source, ids), *disk_notices(tasks, *images_kept(settings))]:
        say(line)
    tell_what_is_missing(tasks, settings)
    return dry_run(tasks, settings, place, as_json)


def calibrated_settings(settings: Settings, runs: Path) -> Settings:
    """The settings with what an earlier graded run says, if they name one. Raises BadInput."""
    if settings.compute.from_study is None:
        return settings
    from codemonkeys.report.calibration import calibrated

    settings = calibrated(settings, list(dict.fromkeys([runs, *places(None)])))
    right, wrong = settings.selection.accepts_right, settings.selection.refuses_wrong
    where = f"In the run {settings.compute.from_study}"
    say(f"{where} tests accept {right:.0%} of the right candidates and reject {wrong:.0%} of the wrong ones.")
    return settings


def images_kept(settings: Settings) -> tuple[int | None, int]:
    """How many images stay, and of how many tasks they are needed at once."""
    return settings.operation.keep_images, settings.operation.tasks


def demo(runs: Path, name: str, sandbox: str | None, prompts: Path | None, as_json: bool) -> Exit:
    """Solve the demo's task with recorded answers, and grade the patch."""
    from codemonkeys.cli.evaluating import verdict_printer
    from codemonkeys.demo import INSTANCE_ID, RECORDING, build_task_repository
    from codemonkeys.grading.service import GradingOptions, grade_run
    from codemonkeys.tasks.environments import default_home

    say("Fetching the demo's task: a real, closed issue. Model answers are replayed; everything else runs live.")
    source = str(build_task_repository(default_home()))
    settings = load_settings(
        [str(RECORDING.with_name("settings.yaml"))],
        model=f"replay:{RECORDING}",
        sandbox={"kind": sandbox or "auto"},
        prompts=prompts,
    )
    summary = carry_out(request_of(source, settings, [INSTANCE_ID], runs, name), runs, name, False)
    if summary.waiting or not summary.predicted:
        return finish(summary, runs, as_json)
    say("Grading the chosen patch with the hidden tests.")
    verdicts = grade_run(runs, name, source, GradingOptions(sandbox), on_verdict=verdict_printer(1))
    with run_files.reading(run_files.database_of(runs, name)) as connection:
        story = queries.task_story(connection, INSTANCE_ID)
    if as_json:
        print_json({**story, "resolved": verdicts[0].resolved})
    else:
        from codemonkeys.report.tables import dollars
        from codemonkeys.report.task_view import task_view

        out().print(task_view(story))
        word = "resolved" if verdicts[0].resolved else f"{verdicts[0].outcome} {verdicts[0].detail}".strip()
        more = f"codemonkeys show {name}{option_of(runs)}"
        print(f"{INSTANCE_ID}: {word}. Spent: {dollars(summary.spent)}, replayed. More: {more}")
    return Exit.DONE if verdicts[0].resolved else Exit.NOTHING_SOLVED


def store_example(runs: Path, name: str | None, as_json: bool) -> Exit:
    """Store the example run, unless it is there."""
    from codemonkeys.demo.example import NAME
    from codemonkeys.demo.example import store_example as store

    name = name or NAME
    folder = store(runs, name)
    if as_json:
        print_json({"run": name, "folder": str(folder)})
    else:
        print(f"A finished run of eight small tasks, with scripted answers at invented prices: {folder}")
        print(f"Next: codemonkeys report {name}{option_of(runs)}")
    return Exit.DONE


def tell_what_is_missing(tasks: Iterable[Task], settings: Settings) -> None:
    """Say, before anything is spent, what is not installed, and if the repository's own tests will tell little."""
    from codemonkeys.cli.installing import lacking
    from codemonkeys.repository_tests.virtual_environment import missing_pytest

    tasks = list(tasks)
    for line in dict.fromkeys(line for task in tasks for line in lacking(task)):
        say(line)
    found = ((task.checkout, task.base_commit) for task in tasks if task.checkout)
    told = (missing_pytest(checkout, commit, settings.selection.test_runner) for checkout, commit in found)
    for missing in dict.fromkeys(told):
        if missing:
            say(missing)


def carry_out(request: RunRequest, runs: Path, name: str, accept_changes: bool) -> Summary:
    """Run a session with progress output until it ends or a signal stops it."""
    with Progress(run_files.run_folder(runs, name)) as progress:
        options = Options(runs, name, accept_changes, progress.notify)
        return run_until_stopped(lambda stop: solve_request(request, replace(options, stop=stop)), progress.notify)


def finish(summary: Summary, runs: Path, as_json: bool) -> Exit:
    """Print the summary of a session; returns its exit code."""
    code = exit_of(summary)
    if as_json:
        ended = [asdict(task) for task in summary.ended]
        numbers = {"predicted": summary.predicted, "waiting": summary.waiting, "spent_usd": summary.spent}
        found = {**numbers, "untested": summary.untested, "tasks": ended}
        print_json({"run": summary.run, "folder": str(summary.folder), "exit": int(code), **found})
        return code
    from codemonkeys.report.tables import summary_view

    with run_files.reading(summary.folder / "run.db") as connection:
        overview = queries.run_overview(connection) | {"caches": cache_use(connection)}
    console = out()
    console.print(summary_view(overview, console.width))
    total = len(summary.ended) + summary.waiting
    print(f"{summary.predicted} of {total} tasks have a prediction. Run: {summary.folder}")
    warn_of_untested(summary, option_of(runs))
    if code in (Exit.DONE, Exit.UNTESTED):
        print(f"Next: codemonkeys export {summary.run} -o preds.jsonl{option_of(runs)}")
    else:
        print(f"Resume with: codemonkeys resume {summary.run}{option_of(runs)}")
    return code


def settings_given(configs: Sequence[str], given: dict[str, Any]) -> Settings:
    """The settings by files, variables, `-c` and the options of a command. Raises BadInput."""
    cleaned = without_none(given)
    settings = load_settings(configs, **cleaned)
    check_address(settings.sandbox.kind, cleaned.get("operation", {}).get("cluster", {}).get("address"))
    return settings


def without_none(given: dict[str, Any]) -> dict[str, Any]:
    """Options that were given: without None values and empty sections."""
    cleaned = {name: without_none(value) if isinstance(value, dict) else value for name, value in given.items()}
    return {name: value for name, value in cleaned.items() if value is not None and value != {}}

"""`solve`, `resume` and `demo`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from codemonkeys.cli.console import Progress, out, print_json, say
from codemonkeys.cli.exits import Exit, exit_of
from codemonkeys.journal import queries, run_files
from codemonkeys.runs.session import Summary, run_session
from codemonkeys.settings import Settings, build, load_settings, merge


def solve(
    dataset: str,
    wanted: dict[str, Any],
    configs: Sequence[str],
    given: dict[str, Any],
    runs: Path,
    name: str | None,
    accept_changes: bool,
    as_json: bool,
) -> Exit:
    """Begin a run, or go on with one of equal settings; `wanted` are the fields of `choosing.Wanted`."""
    from codemonkeys.tasks.filtering import TaskFilter, choose

    settings = load_settings(configs, **without_none(given))
    source, ids = choose(dataset, TaskFilter(**wanted))
    return finish(carry_out(source, ids, settings, runs, name_of_run(name), accept_changes), runs, as_json)


def plan(dataset: str, wanted: dict[str, Any], configs: Sequence[str], given: dict[str, Any], as_json: bool) -> Exit:
    """Tell what `solve` would come to."""
    from codemonkeys.cli.planning import dry_run
    from codemonkeys.tasks.filtering import TaskFilter, choose
    from codemonkeys.tasks.sources import load_tasks

    settings = load_settings(configs, **without_none(given))
    source, ids = choose(dataset, TaskFilter(**wanted), cached=True)
    return dry_run(load_tasks(source, ids), settings, as_json)


def name_of_run(given: str | None) -> str:
    """The name of a run: as given, or the time of day."""
    return given or f"{datetime.now().astimezone():%Y%m%d-%H%M%S}"


def resume(runs: Path, name: str, operation: dict[str, Any], accept_changes: bool, as_json: bool) -> Exit:
    """Go on with a run, with its own source and settings."""
    with run_files.reading(run_files.database_of(runs, name)) as connection:
        run = queries.run_overview(connection)
    if "ensemble" in run["settings"]:
        from codemonkeys.cli import ensembling

        return ensembling.resume(runs, name, run, operation, accept_changes, as_json)
    stored = run["settings"]
    ids = stored.pop("ids")
    merge(stored, without_none({"operation": operation}))
    return finish(carry_out(run["source"], ids, build(stored), runs, name, accept_changes), runs, as_json)


def demo(runs: Path, name: str, sandbox: str | None, as_json: bool) -> Exit:
    """Solve the demo's task with recorded answers, and grade the patch."""
    from codemonkeys.cli.evaluating import How, grade
    from codemonkeys.demo import INSTANCE_ID, RECORDING, build_task_repository
    from codemonkeys.tasks.environments import default_home

    say("Fetching the demo's task: a real, closed issue. Model answers are replayed; all else happens live.")
    source = str(build_task_repository(default_home()))
    settings = load_settings(
        [str(RECORDING.with_name("settings.yaml"))],
        model=f"replay:{RECORDING}",
        sandbox={"kind": sandbox or "auto"},
    )
    summary = carry_out(source, [INSTANCE_ID], settings, runs, name, False)
    if summary.waiting or not summary.predicted:
        return finish(summary, runs, as_json)
    say("Grading the chosen patch by the hidden tests.")
    verdicts = grade(runs, name, source, How(sandbox), summary.folder)
    with run_files.reading(run_files.database_of(runs, name)) as connection:
        story = queries.task_story(connection, INSTANCE_ID)
    if as_json:
        print_json({**story, "resolved": verdicts[0].resolved})
    else:
        from codemonkeys.report.tables import dollars, task_view

        out().print(task_view(story))
        word = "resolved" if verdicts[0].resolved else f"{verdicts[0].outcome} {verdicts[0].detail}".strip()
        print(f"{INSTANCE_ID}: {word}. Spent: {dollars(summary.spent)}, replayed. More: codemonkeys show {name}")
    return Exit.DONE if verdicts[0].resolved else Exit.NOTHING_SOLVED


def carry_out(
    source: str, ids: Sequence[str], settings: Settings, runs: Path, name: str, accept_changes: bool
) -> Summary:
    """Run a session with its progress shown."""
    with Progress(run_files.run_folder(runs, name)) as progress:
        return run_session(source, ids, settings, runs, name, accept_changes=accept_changes, notify=progress.notify)


def finish(summary: Summary, runs: Path, as_json: bool) -> Exit:
    """Print how a session ended; returns its exit code."""
    code = exit_of(summary)
    if as_json:
        ended = [asdict(task) for task in summary.ended]
        numbers = {"predicted": summary.predicted, "waiting": summary.waiting, "spent_usd": summary.spent}
        print_json({"run": summary.run, "folder": str(summary.folder), "exit": int(code), **numbers, "tasks": ended})
        return code
    from codemonkeys.report.tables import summary_view

    with run_files.reading(summary.folder / "run.db") as connection:
        overview = queries.run_overview(connection)
    out().print(summary_view(overview))
    total = len(summary.ended) + summary.waiting
    print(f"{summary.predicted} of {total} tasks have a prediction. Run: {summary.folder}")
    where = "" if runs == Path("runs") else f" --runs {runs}"
    if code is Exit.DONE:
        print(f"Next: codemonkeys export {summary.run} -o preds.jsonl{where}")
    else:
        print(f"Go on with: codemonkeys resume {summary.run}{where}")
    return code


def without_none(given: dict[str, Any]) -> dict[str, Any]:
    """What was given: neither None nor a section in which nothing was."""
    cleaned = {name: without_none(value) if isinstance(value, dict) else value for name, value in given.items()}
    return {name: value for name, value in cleaned.items() if value is not None and value != {}}

"""`fix`: resolves an issue in the user's own repository."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from codemonkeys.cli import places
from codemonkeys.cli.console import out, print_json, say
from codemonkeys.cli.exits import Exit, exit_of, warn_of_untested
from codemonkeys.cli.installing import own_project
from codemonkeys.cli.solving import calibrated_settings, carry_out, settings_given, tell_what_is_missing
from codemonkeys.errors import BadInput, RunExists
from codemonkeys.journal import queries, run_files
from codemonkeys.runs.session import RunRequest
from codemonkeys.runs.solve import run_name
from codemonkeys.settings import Settings
from codemonkeys.tasks import branches, own_issue
from codemonkeys.tasks.backends import environment_kind
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.sources import task_file


class FixRequest(NamedTuple):
    """The issue to fix, and where to run."""

    repository: Path
    issue: str
    base: str
    venv: Path | None
    image: str | None
    apply: bool
    scope: str = ""


def fix(
    request: FixRequest,
    configs: list[str],
    given: dict[str, Any],
    named: Path | None,
    name: str | None,
    accept_changes: bool,
    as_json: bool,
) -> Exit:
    """Solve the issue, print the patch (and nothing else) to standard output, and apply it with `--apply`.

    `named`: the folder of runs that the user names, if any.
    """
    settings = settings_given(configs, given)
    name = run_name(name)
    runs = named or places.find(None, name) or places.of_fix()
    settings = calibrated_settings(settings, runs)
    task = task_of(request, settings.sandbox.kind)
    branch = branches.branch_of(name) if request.apply else None
    assert task.checkout is not None
    if branch:
        branches.check_can_apply(task.checkout.repository, branch, task.base_commit)
    tell_what_is_read(request.repository, task.checkout.repository, task.base_commit, task.scope)
    tell_what_is_missing([task], settings)
    for line in own_project(task):
        say(line)
    summary = carry_out(request_to_fix(runs, name, task, settings), runs, name, accept_changes)
    with run_files.reading(summary.folder / "run.db") as connection:
        patches = [row["model_patch"] for row in queries.predictions(connection)]
    patch = patches[0] if patches else ""
    refused: BadInput | None = None
    if branch and patch:
        try:
            branches.apply_on_branch(task.checkout.repository, branch, task.base_commit, patch, task.issue)
        except BadInput as error:
            refused = error
    applied = branch if patch and refused is None else None
    facts = {"run": name, "branch": applied, "spent_usd": summary.spent, "untested": summary.untested}
    show(patch, as_json, facts, summary.ended)
    if refused is not None:
        raise refused
    where = places.option_of(runs)
    warn_of_untested(summary, where)
    if not patch:
        say(f"No patch was produced. Details: codemonkeys show {name}{where}")
    elif branch:
        say(f"Applied on the new branch {branch}, now checked out. Details: codemonkeys show {name}{where}")
    else:
        say(f"Apply it with `git apply`, or rerun with --run {name} --apply. Details: codemonkeys show {name}{where}")
    return exit_of(summary)


def tell_what_is_read(given: Path, repository: Path, commit: str, scope: str = "") -> None:
    """Say what may not be what the user expects: the whole repository is read, as of a commit."""
    if not scope and (folder := given.expanduser().resolve()) != repository:
        say(f"{folder} lies in the repository {repository}, all of which is read; with --scope . that folder alone is.")
    if change := branches.uncommitted(repository):
        say(
            f"{repository} has uncommitted changes ({change}). They are left out, as the base is commit {commit[:12]}; "
            "commit them to have them in."
        )


def plan(
    request: FixRequest, configs: list[str], given: dict[str, Any], place: places.PlannedRun, as_json: bool
) -> Exit:
    """Print a cost estimate for `fix`."""
    from codemonkeys.cli.planning import dry_run

    settings = calibrated_settings(settings_given(configs, given), place.runs)
    task = task_of(request, settings.sandbox.kind)
    tell_what_is_missing([task], settings)
    return dry_run([task], settings, place, as_json)


def task_of(request: FixRequest, sandbox: str) -> Task:
    """The task; `sandbox` as in `sandbox.kind`. Raises BadInput for an unusable issue, repository or sandbox."""
    issue = own_issue.read_issue(request.issue, sys.stdin.read() if request.issue == "-" else None)
    choice = own_issue.RuntimeChoice(request.venv, request.image, environment_kind(sandbox))
    return own_issue.describe(request.repository, issue, request.base, choice, request.scope)


def request_to_fix(runs: Path, name: str, task: Task, settings: Settings) -> RunRequest:
    """The run's request. It stores the issue in the run's folder, where `resume` finds it. Raises RunExists."""
    folder = run_files.run_folder(runs, name).absolute()
    path = folder / task_file.ISSUE_FILE
    if (folder / "run.db").exists() and not (
        task_file.SOURCE.claims(str(path)) and task_file.read_tasks(path) == [task]
    ):
        raise RunExists(
            f"run {name!r} in {folder} is about a different issue, repository or commit. "
            f"Choose another name with --run, or resume it: codemonkeys resume {name}{places.option_of(runs)}"
        )
    return RunRequest(str(path), (task.id,), (task,), settings, write_files=lambda _: task_file.write_issue(path, task))


def show(patch: str, as_json: bool, facts: dict[str, Any], ended: tuple[Any, ...]) -> None:
    """Print the patch: as JSON, coloured on a terminal, otherwise byte for byte."""
    if as_json:
        print_json({**facts, "patch": patch, "tasks": [asdict(task) for task in ended]})
    elif sys.stdout.isatty():
        from codemonkeys.report.tables import diff_view

        out().print(diff_view(patch))
    else:
        sys.stdout.buffer.write(patch.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()

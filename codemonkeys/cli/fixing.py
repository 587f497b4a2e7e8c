"""`fix`: an issue of the user's own repository."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from codemonkeys.cli.console import out, print_json, say
from codemonkeys.cli.exits import Exit, exit_of
from codemonkeys.cli.solving import carry_out, without_none
from codemonkeys.errors import BadInput, RunExists
from codemonkeys.journal import queries, run_files
from codemonkeys.runs.session import RunRequest
from codemonkeys.runs.solve import run_name
from codemonkeys.settings import Settings, load_settings
from codemonkeys.tasks import branches, own_issue
from codemonkeys.tasks.backends import environment_kind
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.sources import task_file


class FixRequest(NamedTuple):
    """What is to be fixed, and where."""

    repository: Path
    issue: str
    base: str
    venv: Path | None
    image: str | None
    apply: bool


def fix(
    asked: FixRequest,
    configs: list[str],
    given: dict[str, Any],
    runs: Path,
    name: str | None,
    accept_changes: bool,
    as_json: bool,
) -> Exit:
    """Solve the issue, print the patch on standard output and nothing else, and apply it if that was asked for."""
    settings = load_settings(configs, **without_none(given))
    name = run_name(name)
    task = task_of(asked, settings.sandbox.kind)
    branch = branches.branch_of(name) if asked.apply else None
    assert task.checkout is not None
    if branch:
        branches.check_can_apply(task.checkout.repository, branch, task.base_commit)
    summary = carry_out(request_to_fix(runs, name, task, settings), runs, name, accept_changes)
    with run_files.reading(summary.folder / "run.db") as connection:
        found = [row["model_patch"] for row in queries.predictions(connection)]
    patch = found[0] if found else ""
    refused: BadInput | None = None
    if branch and patch:
        try:
            branches.apply_on_branch(task.checkout.repository, branch, task.base_commit, patch, task.issue)
        except BadInput as error:
            refused = error
    applied = branch if patch and refused is None else None
    show(patch, as_json, {"run": name, "branch": applied, "spent_usd": summary.spent}, summary.ended)
    if refused is not None:
        raise refused
    where = "" if runs == Path("runs") else f" --runs {runs}"
    if not patch:
        say(f"There is no patch. More: codemonkeys show {name}{where}")
    elif branch:
        say(f"Applied on the new branch {branch}, which is checked out. More: codemonkeys show {name}{where}")
    else:
        say(f"Apply it with `git apply`, or call again with --run {name} --apply. More: codemonkeys show {name}{where}")
    return exit_of(summary)


def plan(asked: FixRequest, configs: list[str], given: dict[str, Any], as_json: bool) -> Exit:
    """Tell what `fix` would come to."""
    from codemonkeys.cli.planning import dry_run

    settings = load_settings(configs, **without_none(given))
    return dry_run([task_of(asked, settings.sandbox.kind)], settings, as_json)


def task_of(asked: FixRequest, sandbox: str) -> Task:
    """The task; `sandbox` as in `sandbox.kind`. Raises BadInput for an issue, repository or sandbox of no use."""
    issue = own_issue.read_issue(asked.issue, sys.stdin.read() if asked.issue == "-" else None)
    choice = own_issue.RuntimeChoice(asked.venv, asked.image, environment_kind(sandbox))
    return own_issue.describe(asked.repository, issue, asked.base, choice)


def request_to_fix(runs: Path, name: str, task: Task, settings: Settings) -> RunRequest:
    """The request of the run, which keeps the issue in its folder, from where a resume reads it. Raises RunExists."""
    folder = run_files.run_folder(runs, name).absolute()
    path = folder / task_file.ISSUE_FILE
    if (folder / "run.db").exists() and not (
        task_file.SOURCE.claims(str(path)) and task_file.read_tasks(path) == [task]
    ):
        raise RunExists(
            f"run {name!r} in {folder} is about something else: another issue, repository or commit. "
            f"Choose another name with --run, or go on with: codemonkeys resume {name}"
        )
    return RunRequest(str(path), (task.id,), (task,), settings, write_files=lambda _: task_file.write_issue(path, task))


def show(patch: str, as_json: bool, facts: dict[str, Any], ended: tuple[Any, ...]) -> None:
    """Print the patch: as JSON, in colour on a terminal, else byte for byte."""
    if as_json:
        print_json({**facts, "patch": patch, "tasks": [asdict(task) for task in ended]})
    elif sys.stdout.isatty():
        from codemonkeys.report.tables import diff_view

        out().print(diff_view(patch))
    else:
        sys.stdout.buffer.write(patch.encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()

"""Solving tasks: what a run of `solve` is made of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from codemonkeys.compute.policies import check_policy
from codemonkeys.errors import BadInput, RunExists
from codemonkeys.journal import run_files
from codemonkeys.pipeline import solve_task
from codemonkeys.runs.session import Options, RunRequest, Summary, open_session
from codemonkeys.selection.deciding import check_rules
from codemonkeys.settings import Settings
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.sources import load_tasks, pin
from codemonkeys.tasks.sources.task_file import TASKS_FILE, as_stored, read_tasks, write_tasks


def run_name(given: str | None) -> str:
    """The name of a run: as given, or the date and time, exact enough for runs that begin together."""
    return given or f"{datetime.now().astimezone():%Y%m%d-%H%M%S-%f}"


def request_of(
    tasks: str | Path | Sequence[Task], settings: Settings, ids: Sequence[str], runs: Path, name: str
) -> RunRequest:
    """The request to solve tasks of a source, or tasks themselves, which the run's folder then keeps.

    Raises BadInput and its kin.
    """
    if isinstance(tasks, str | Path):
        source = pin(tasks)
        return RunRequest(source, tuple(ids), tuple(load_tasks(source, list(ids) or None)), settings)
    if isinstance(tasks, Task):
        raise BadInput(f"{tasks.id} is one Task, where a source or several are expected: give [task]")
    given = [as_stored(task) for task in tasks]
    if not given:
        raise BadInput("there is no task to solve: give a source, or at least one Task")
    known = {task.id for task in given}
    if missing := [id for id in ids if id not in known]:
        raise BadInput(f"ids: none of the given tasks is {missing[0]!r}; there are {len(given)}, such as {given[0].id}")
    chosen = [task for task in given if not ids or task.id in ids]
    path = run_files.run_folder(runs, name).absolute() / TASKS_FILE
    if path.exists() and read_tasks(path) != chosen:
        raise RunExists(f"run {name!r} in {path.parent} is about other tasks; choose another name for the run")
    return RunRequest(str(path), (), tuple(chosen), settings, write_files=lambda _: write_tasks(path, chosen))


def check_choices(settings: Settings) -> None:
    """Raise BadSettings for a rule or policy that there is not, or that does not go with the rest."""
    check_rules(settings.selection)
    check_policy(settings)


async def solve(request: RunRequest, options: Options) -> Summary:
    """Solve the tasks of a request, in a run that is begun or resumed.

    Raises BadInput and its kin before anything is spent, JournalError, SandboxUnavailable, and RunInterrupted when it
    was aborted.
    """
    check_choices(request.settings)
    async with open_session(request, options) as session:
        return session.summary(await session.run(solve_task))

"""The Python API: solving tasks, choosing among submissions, grading, and reading a run.

Everything here works in a running event loop, in a thread, and for several runs at once in one process; the functions
named `run_*` are the same for programs without an event loop, and for notebooks.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from codemonkeys.engine.events import Event, Notify, silent
from codemonkeys.engine.stop import Stop
from codemonkeys.engine.work import Work
from codemonkeys.ensembles.ensemble import read_ensemble
from codemonkeys.ensembles.resuming import stored_ensemble
from codemonkeys.ensembles.running import choose
from codemonkeys.errors import BadInput
from codemonkeys.grading.service import GradingOptions, grade_predictions, grade_run, quiet
from codemonkeys.grading.verdict import Verdict
from codemonkeys.report.calibration import calibrated
from codemonkeys.report.run_reader import Run, open_run
from codemonkeys.runs.choice_request import Asked
from codemonkeys.runs.resuming import read_stored, stored_request
from codemonkeys.runs.runner import prepare_work
from codemonkeys.runs.selecting import choose_again
from codemonkeys.runs.session import Options, Summary, open_session
from codemonkeys.runs.sleeping import as_sleep, request_to_sleep, tasks_to_read
from codemonkeys.runs.sleeping import sleep as sleep_request
from codemonkeys.runs.solve import check_choices, request_of, run_name
from codemonkeys.runs.solve import solve as solve_request
from codemonkeys.settings import Settings, given_or_loaded, load_settings
from codemonkeys.system.event_loops import synchronous
from codemonkeys.tasks.backends import environment_kind
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.own_issue import RuntimeChoice, describe
from codemonkeys.tasks.predictions import Prediction, log_name, read_predictions
from codemonkeys.tasks.sources import absolute, load_tasks
from codemonkeys.tasks.submissions import looks_like_one

__all__ = [
    "Event",
    "Prediction",
    "Run",
    "Settings",
    "Stop",
    "Summary",
    "Task",
    "Verdict",
    "Work",
    "ensemble",
    "evaluate",
    "load_settings",
    "load_tasks",
    "local_task",
    "open_run",
    "open_task",
    "resume",
    "run_ensemble",
    "run_evaluate",
    "run_resume",
    "run_select",
    "run_sleep",
    "run_solve",
    "select",
    "sleep",
    "solve",
]

RUNS = Path("runs")
"""Folder of all runs, where none is named."""


async def solve(
    tasks: str | Path | Sequence[Task],
    settings: Settings | None = None,
    *,
    ids: Sequence[str] = (),
    runs: str | Path = RUNS,
    name: str | None = None,
    accept_changes: bool = False,
    notify: Notify = silent,
    stop: Stop | None = None,
) -> Summary:
    """Solve tasks in a run that is begun, or resumed if `name` is a run of equal tasks and settings.

    `tasks`: a source (see `load_tasks`), or Task objects, which the run's folder then keeps. `ids`: only these of them.
    `settings`: those of the environment and the defaults if None. `name`: the time of day if None. `accept_changes`:
    redo stored steps whose request has changed. `notify` is called in the event loop with each Event. `stop`: drains
    or aborts the run from outside; to cancel the awaiting task is to abort.
    Raises BadInput and its kin before anything is spent or written, SandboxUnavailable, JournalError, RunInterrupted.
    """
    settings, folder, name = given_or_loaded(settings), Path(runs), run_name(name)
    settings = await asyncio.to_thread(calibrated, settings, [folder])
    request = await asyncio.to_thread(request_of, tasks, settings, ids, folder, name)
    return await solve_request(request, Options(folder, name, accept_changes, notify, stop))


async def sleep(
    tasks: str | Path | Sequence[Task],
    settings: Settings | None = None,
    *,
    ids: Sequence[str] = (),
    bases: Sequence[str] = (),
    scope: str = "",
    runs: str | Path = RUNS,
    name: str | None = None,
    accept_changes: bool = False,
    notify: Notify = silent,
    stop: Stop | None = None,
) -> Summary:
    """Make the digests of repositories ahead of any issue; runs with `context.mode=digest` read them.

    `tasks`: the folder of a git repository, or tasks as for `solve`, whose repositories are read at their base commits.
    `bases`: commits of that repository; HEAD if none. `scope`: folder of it, relative to it, whose files alone are
    read. `settings`: the scan model has to be that of the runs that will read the digests. The rest as `solve`.
    `open_run(summary.folder).digests()` tells what had been described before. Raises as `solve`.
    """
    settings, folder, name = given_or_loaded(settings), Path(runs), run_name(name)
    tasks = await asyncio.to_thread(tasks_to_read, tasks, bool(ids), bases, scope)
    request = await asyncio.to_thread(request_to_sleep, tasks, settings, ids, folder, name)
    return await sleep_request(request, Options(folder, name, accept_changes, notify, stop))


async def ensemble(
    members: Sequence[str | Path],
    tasks: str | Path,
    settings: Settings | None = None,
    *,
    ids: Sequence[str] = (),
    families: Sequence[str] = (),
    tests: str | Path | None = None,
    abstain: float = 0.0,
    runs: str | Path = RUNS,
    name: str | None = None,
    accept_changes: bool = False,
    notify: Notify = silent,
    stop: Stop | None = None,
) -> Summary:
    """Choose one of the patches that other systems submitted, for each task, by `settings.selection.rule`.

    `members`: submissions of other systems, files or folders. `tasks`: the source of the tasks. `families`:
    `NAME=GLOB`, members whose names match share their mistakes. `tests`: folder of test scripts, `<task id>/*.py`.
    `abstain`: share of the tasks to abstain on: those that the rule is least sure of.
    `settings`: defaults with the rule `agreement`, which needs no model and no sandbox, if None. The rest as `solve`.
    """
    settings, folder, name = given_or_loaded(settings, "selection.rule=agreement"), Path(runs), run_name(name)
    paths, given = [Path(member) for member in members], None if tests is None else Path(tests)
    chosen = await asyncio.to_thread(read_ensemble, absolute(tasks), ids, paths, families, given, abstain)
    return await choose(chosen, settings, Options(folder, name, accept_changes, notify, stop))


async def select(
    run: str,
    rule: str | None = None,
    *,
    name: str | None = None,
    model: str | None = None,
    settings: Mapping[str, Any] | None = None,
    runs: str | Path = RUNS,
    accept_changes: bool = False,
    notify: Notify = silent,
    stop: Stop | None = None,
) -> Summary:
    """Select anew among the candidates of a stored run, as a named choice beside the one that the run has made.

    `rule`: any selection rule; None to go on with the choice `name`. `name`: made of rule and model if None. `model`:
    judges in place of the run's. `settings`: what differs from the run's settings, as a tree of `selection`, `models`,
    `prompts` and `operation`, such as `{"operation": {"budget": 5}}`, which bounds this choice alone. The rest as
    `solve`. Raises RunExists for a choice of that name that was begun with other settings.
    """
    options = Options(Path(runs), run, accept_changes, notify, stop)
    return await choose_again(Path(runs), run, Asked(rule, name, model, settings or {}), options)


async def resume(
    name: str,
    *,
    runs: str | Path = RUNS,
    operation: Mapping[str, Any] | None = None,
    accept_changes: bool = False,
    notify: Notify = silent,
    stop: Stop | None = None,
) -> Summary:
    """Go on with a run of `solve`, `ensemble` or `sleep`, with its own tasks, inputs and settings.

    `operation`: settings of the section `operation` that change now, such as `{"budget": 20}`. The rest as `solve`.
    """
    folder = Path(runs)
    options = Options(folder, name, accept_changes, notify, stop)
    stored = await asyncio.to_thread(read_stored, folder, name, operation or {})
    if stored.ensemble is not None:
        return await choose(await asyncio.to_thread(stored_ensemble, stored), stored.settings, options)
    request = await asyncio.to_thread(stored_request, stored)
    return await (sleep_request(as_sleep(request), options) if stored.sleeps else solve_request(request, options))


async def evaluate(
    predictions: str | Path | Mapping[str, Prediction],
    tasks: str | Path | None = None,
    *,
    runs: str | Path = RUNS,
    folder: str | Path | None = None,
    run_id: str | None = None,
    sandbox: str | None = None,
    isolated: bool = False,
    workers: int | None = None,
    repeats: int = 1,
    again: bool = False,
    scripts: str | Path | None = None,
    keep_images: int | None = None,
    ray_address: str | None = None,
    choice: str | None = None,
    on_verdict: Callable[[Verdict], None] = quiet,
) -> list[Verdict]:
    """Grade predictions by the hidden tests; verdicts of a run are recorded in its journal.

    `predictions`: name of a run in `runs`, a submission (file or folder), or predictions by task id. `tasks`: the
    source of the tasks; that of the run if None. `folder`: for logs and the summary, laid out as swebench does; the
    run's own, or the current one, if None. `run_id`: names the grading in the logs. `sandbox`, `isolated`, `workers`,
    `repeats`, `again`, `scripts`, `keep_images`, `ray_address`: see `GradingOptions`. `choice`: a named choice of the
    run. `on_verdict` is told each verdict as it falls, maybe from another thread.
    Raises BadInput and its kin, RunBusy, SandboxUnavailable.
    """
    parsers = None if scripts is None else Path(scripts)
    options = GradingOptions(sandbox, isolated, workers, repeats, again, parsers, keep_images, ray_address)
    output = None if folder is None else Path(folder)
    if not isinstance(predictions, Mapping):
        path = Path(predictions)
        if not looks_like_one(path) or (Path(runs) / path / "run.db").is_file():
            source = None if tasks is None else absolute(tasks)
            chosen = None if choice is None else open_run(Path(runs) / path).predictions(choice)
            return await asyncio.to_thread(
                grade_run, Path(runs), str(predictions), source, options, output, chosen, on_verdict
            )
        run_id = run_id or log_name(path)
        predictions = await asyncio.to_thread(read_predictions, path)
    if tasks is None:
        raise BadInput("name the source of the tasks that these predictions are for: evaluate(predictions, tasks)")
    source, run_id, output = absolute(tasks), run_id or "evaluation", output or Path()
    return await asyncio.to_thread(grade_predictions, predictions, source, options, run_id, output, on_verdict)


def local_task(
    repository: str | Path,
    issue: str,
    *,
    base: str = "HEAD",
    venv: str | Path | None = None,
    image: str | None = None,
    scope: str = "",
    sandbox: str = "auto",
) -> Task:
    """The task that an issue of a git repository on this machine is; `solve([task])` solves it.

    `issue`: its text. `base`: the commit to start from. `venv`, `image`: in what the code runs; what is not given is
    looked for in the repository, as `sandbox` (see `sandbox.kind`) can use it. `scope`: the folder that the issue is
    about, relative to `repository`: files of that alone are read, and the tests in there are run.
    Raises BadInput, EnvironmentFailed.
    """
    choice = RuntimeChoice(None if venv is None else Path(venv), image, environment_kind(sandbox))
    return describe(Path(repository), issue, base, choice, scope)


@asynccontextmanager
async def open_task(
    task: Task,
    settings: Settings | None = None,
    *,
    runs: str | Path = RUNS,
    name: str | None = None,
    accept_changes: bool = False,
    notify: Notify = silent,
) -> AsyncIterator[Work]:
    """One task in work, for calling single stages; what they do is recorded in a run, as by `solve`.

    The stages are functions of `codemonkeys.pipeline`: `find_context`, `run_trajectory`, `select`.
    """
    settings, folder, name = given_or_loaded(settings), Path(runs), run_name(name)
    check_choices(settings)
    request = await asyncio.to_thread(request_of, [task], settings, (), folder, name)
    async with open_session(request, Options(folder, name, accept_changes, notify)) as session:
        session.journal.add_tasks([task])
        session.journal.begin_task(task.id)
        work = await prepare_work(task, session.settings, session.steps, session.prepare)
        try:
            yield work
        finally:
            work.snapshot.close()


run_solve = synchronous(solve)
run_sleep = synchronous(sleep)
run_ensemble = synchronous(ensemble)
run_resume = synchronous(resume)
run_select = synchronous(select)
run_evaluate = synchronous(evaluate)

"""Many tasks at once: each goes through the pipeline by itself, and one task's failure never stops another."""

from __future__ import annotations

import asyncio
import re
import traceback
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path

from codemonkeys.context.environment import describe_environment
from codemonkeys.context.own_language import choose_script
from codemonkeys.engine.events import Event, note
from codemonkeys.engine.steps import PREPARING, Steps
from codemonkeys.engine.work import Work
from codemonkeys.errors import BudgetReached, EnvironmentFailed, RunInterrupted
from codemonkeys.generation.answers import marker_for
from codemonkeys.generation.paths import patch_paths
from codemonkeys.pipeline import solve_task
from codemonkeys.prompting import Prompts
from codemonkeys.redact import redact
from codemonkeys.runs.outcomes import (
    FINAL,
    Digested,
    State,
    TaskResult,
    concerns_the_run,
    gravest,
    is_infrastructure,
    said_of,
    state_of_choice,
    state_of_error,
)
from codemonkeys.runs.reserve import minimum_reserve
from codemonkeys.runs.trial import try_environment
from codemonkeys.selection.deciding import Choice
from codemonkeys.settings import Settings
from codemonkeys.system.files import write_whole
from codemonkeys.tasks.base import Task, Workspace
from codemonkeys.tasks.snapshot import Entry
from codemonkeys.wording import resume

MARKER_BYTES = 1 << 20
"""Larger files are never shown whole, so our marker need not differ from what they hold."""

Solver = Callable[[Work], Awaitable[Choice | Digested | None]]
"""What a task goes through; None if it has no candidate."""
Prepare = Callable[[Task], Workspace]
"""Prepares a task's snapshot and environment; blocks."""
Opening = Callable[[Task, Settings, Steps, Prepare], Awaitable[Work]]
"""Puts a task in work, whose snapshot is to be closed."""
Release = Callable[[Task], None]
"""Is told that a task needs its environment no more; blocks."""


def keep(task: Task) -> None:
    """Release nothing."""


async def run_tasks(
    tasks: Sequence[Task],
    settings: Settings,
    steps: Steps,
    prepare: Prepare,
    solver: Solver = solve_task,
    release: Release = keep,
    opening: Opening | None = None,
) -> list[TaskResult]:
    """Solve tasks, some at a time; returns those that ended, in the order of `tasks`.

    `opening`: by default `prepare_work`.
    Tasks that the infrastructure failed are tried once more when all others have ended. `steps.stop` drains or aborts;
    to cancel the awaiting task is to abort. Raises BadInput and JournalError, which concern the whole run and not one
    task, and RunInterrupted when aborted.
    """
    loop, whole = asyncio.get_running_loop(), asyncio.current_task()
    assert whole is not None
    aborted = False

    def abort() -> None:
        nonlocal aborted
        aborted = True
        steps.abort()
        whole.cancel()

    with steps.stop.calling(lambda: loop.call_soon_threadsafe(abort)):
        try:
            return await _run_all(tasks, settings, steps, prepare, solver, release, opening)
        except asyncio.CancelledError:
            if not aborted:
                steps.stop.draining = True
                steps.abort()
                raise
            whole.uncancel()
            raise RunInterrupted(f"aborted; {resume(steps.journal.name)}") from None
        finally:
            await steps.in_flight.drain()


async def _run_all(
    tasks: Sequence[Task],
    settings: Settings,
    steps: Steps,
    prepare: Prepare,
    solver: Solver,
    release: Release,
    opening: Opening | None,
) -> list[TaskResult]:
    steps.journal.add_tasks(tasks)
    steps.positions.update({task.id: position for position, task in enumerate(tasks)})
    steps.budget.tasks = len(tasks)
    steps.ending.expect(len(tasks), settings)
    slots, preparing = asyncio.Semaphore(settings.operation.tasks), asyncio.Semaphore(PREPARING)

    async def one(task: Task) -> TaskResult | None:
        state = steps.journal.task_state(task.id)
        if state in FINAL:
            steps.ending.left -= 1
            await steps.in_thread(release, task)
            return TaskResult(task.id, state, "in an earlier session")
        async with slots:
            if steps.stop.draining:
                return None
            result = await run_task(task, settings, steps, prepare, preparing, solver, opening)
            steps.ending.left -= 1
            if result is not None:
                await steps.in_thread(release, task)
                steps.journal.forget_task(task.id)
            return result

    ended: dict[str, TaskResult | None] = {}
    try:
        for again in (False, True):
            left = [task for task in tasks if not again or ((was := ended[task.id]) and was.may_pass)]
            if again and left and not steps.stop.draining:
                steps.notify(note(f"{len(left)} tasks failed for a reason that may have passed: once more"))
            async with asyncio.TaskGroup() as group:
                running = {task.id: group.create_task(one(task)) for task in left}
            ended |= {id: done.result() or ended.get(id) for id, done in running.items()}
    except ExceptionGroup as errors:
        raise gravest(errors) from None
    return [result for result in ended.values() if result is not None]


async def run_task(
    task: Task,
    settings: Settings,
    steps: Steps,
    prepare: Prepare,
    preparing: asyncio.Semaphore,
    solver: Solver = solve_task,
    opening: Opening | None = None,
) -> TaskResult | None:
    """Solve one task and record how it ended; None if it was stopped on the way. Raises BadInput and JournalError."""
    choice: Choice | Digested | None = None
    may_pass = False
    try:
        async with preparing:
            work = await begin(task, settings, steps, prepare, opening)
        with closing(work.snapshot):
            # What else can end without a call needs no reserve.
            reserve = reserve_for(task, settings, steps, work.entries) if solver is solve_task else {}
            await steps.budget.begin(task.id, reserve)
            steps.notify(Event("task", task.id, "solving"))
            choice = await solver(work)
        state, reason = state_of_choice(choice, work.ended_early)
    except Exception as raised:
        error = gravest(raised)
        if concerns_the_run(error):
            raise error from None
        # What is killed fails in its own words, and who waited for money that others may leave waits no longer.
        passing = (RunInterrupted, BudgetReached) if steps.stop.draining else RunInterrupted
        if isinstance(error, passing) or steps.stop.aborted:
            return None
        state, reason = state_of_error(error), redact(said_of(error))
        if isinstance(error, EnvironmentFailed) and error.output:
            reason += f". All of its output: {keep_output(steps.journal.folder, task.id, error.output)}"
        may_pass = is_infrastructure(error)
        if state is State.FAILED:
            lines = redact("".join(traceback.format_exception(error)))
            steps.journal.put_note(task.id, "task", 0, "traceback", lines)
    finally:
        steps.budget.end(task.id)
        steps.calls.has_called(task.id)
    chosen = choice if isinstance(choice, Choice) and choice.number is not None else None
    number, patch = (None, None) if chosen is None else (chosen.number, chosen.patch)
    if outside := [path for path in patch_paths(patch or "") if not task.in_scope(path)]:
        steps.notify(note(f"{task.id}: its patch changes files outside {task.scope}: {', '.join(outside)}"))
    await steps.journal.group_commit(lambda: steps.journal.end_task(task.id, state, reason, number, patch))
    steps.notify(Event("task", task.id, state, reason))
    return TaskResult(task.id, state, reason, may_pass)


def keep_output(folder: Path, task: str, output: str) -> Path:
    """Write what a failed program printed into the run's folder; returns the file."""
    log = folder / "logs" / "environments" / f"{re.sub(r'[^A-Za-z0-9._-]', '-', task)}.log"
    write_whole(log, f"{output}\n", 0o600)
    return log


async def begin(task: Task, settings: Settings, steps: Steps, prepare: Prepare, opening: Opening | None = None) -> Work:
    """Prepare a task once no pending call is queued ahead of it. Raises BudgetReached, RunInterrupted and others."""
    async with steps.calls.slot_to_begin(task.id):
        pass
    if steps.stop.draining:
        raise RunInterrupted(f"{task.id} was not begun")
    if opening is None:
        # What any repository needs: to build an environment only to find that there is no money would be a waste.
        await steps.budget.afford(task.id, reserve_for(task, settings, steps, ()))
    await steps.journal.group_commit(lambda: steps.journal.begin_task(task.id))
    steps.notify(Event("task", task.id, "preparing"))
    return await (opening or prepare_work)(task, settings, steps, prepare)


async def prepare_work(task: Task, settings: Settings, steps: Steps, prepare: Prepare) -> Work:
    """A task in work, whose snapshot is to be closed. Raises EnvironmentFailed, ExecutionFailed, SandboxError."""
    workspace = await steps.in_thread(prepare, task)
    try:
        await steps.in_thread(steps.sandbox.ensure, workspace.environment)
        if workspace.environment.name not in steps.tried:
            await steps.in_thread(try_environment, task, workspace.environment, steps.sandbox, settings.sandbox)
            steps.tried.add(workspace.environment.name)
        work = await steps.in_thread(open_work, workspace, settings, steps)
        work.own_script = await choose_script(work)
        work.prompts = work.prompts.given(runs_on=await describe_environment(work))
        return work
    except BaseException:
        workspace.snapshot.close()
        raise


def reserve_for(task: Task, settings: Settings, steps: Steps, entries: Iterable[Entry]) -> dict[str, float]:
    """US dollars by reserve that a task needs to end with a prediction; nothing without a budget, or for a choice."""
    if steps.journal.choice or (settings.operation.budget is None and settings.operation.task_budget is None):
        return {}
    return minimum_reserve(settings, steps.models, steps.calls.bounds, entries, task.issue, task.language)


def open_work(workspace: Workspace, settings: Settings, steps: Steps) -> Work:
    """Everything the stages of one task share."""
    task, snapshot = workspace.task, workspace.snapshot
    paths = (entry.path for entry in snapshot.entries if entry.size <= MARKER_BYTES)
    texts = (text or "" for _, text in snapshot.texts(paths))
    marker = marker_for(task.id, (task.issue, *texts))
    values = {"repo": task.repo, "issue": task.issue}
    prompts = Prompts(marker, settings.prompts, values, older=steps.journal.is_begun_by_older)
    return Work(task, snapshot, workspace.environment, settings, prompts, steps)

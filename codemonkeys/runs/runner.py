"""Many tasks at once: each goes through the pipeline by itself, and one task's failure never stops another."""

from __future__ import annotations

import asyncio
import signal
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum

from codemonkeys.engine.steps import Event, Steps, Stopping
from codemonkeys.engine.work import Work
from codemonkeys.errors import (
    BadInput,
    BudgetReached,
    EnvironmentFailed,
    ExecutionFailed,
    JournalError,
    ModelError,
    RetriesExhausted,
)
from codemonkeys.generation.answers import marker_for
from codemonkeys.pipeline import solve_task
from codemonkeys.prompting import Prompts
from codemonkeys.redact import redact
from codemonkeys.runs.reserve import minimum
from codemonkeys.selection.deciding import Choice
from codemonkeys.settings import Settings
from codemonkeys.tasks.base import Task, Workspace
from codemonkeys.tasks.snapshot import Entry
from sandboxes.base import SandboxError

MARKER_BYTES = 1 << 20
"""Larger files are never shown whole, so our marker need not differ from what they hold."""


class State(StrEnum):
    """How a task ended, as the journal has it."""

    PREDICTED = "predicted"
    """A patch was chosen."""
    NO_CANDIDATE = "no candidate"
    """No trajectory ended with an edit that applies."""
    ABSTAINED = "abstained"
    """None of the candidates is to be trusted."""
    OVER_BUDGET = "over budget"
    ENVIRONMENT_FAILED = "environment failed"
    SANDBOX_FAILED = "sandbox failed"
    MODEL_FAILED = "model failed"
    FAILED = "failed"
    """A fault of codemonkeys itself."""


Solver = Callable[[Work], Awaitable[Choice | None]]
"""What a task goes through; None if it has no candidate."""

FINAL = frozenset({State.PREDICTED, State.NO_CANDIDATE, State.ABSTAINED})
"""States that a resumed run leaves as they are; every other task is taken up again."""


PREPARING = 4
"""Tasks whose codebase and environment are made ready at one time."""


@dataclass(frozen=True)
class TaskResult:
    """A task that ended in this session, or in an earlier one."""

    task: str
    state: str
    reason: str
    may_pass: bool = False
    """It was the infrastructure that failed: another attempt may end otherwise."""


async def run_tasks(
    tasks: Sequence[Task],
    settings: Settings,
    steps: Steps,
    prepare: Callable[[Task], Workspace],
    solver: Solver = solve_task,
) -> list[TaskResult]:
    """Solve tasks, some at a time; returns those that ended, in the order of `tasks`.

    Tasks that the infrastructure failed are tried once more when all others have ended. A signal to stop lets steps in
    flight end and leaves the other tasks for a resume. Raises BadInput and JournalError, which concern the whole run
    and not one task.
    """
    operation = settings.operation
    steps.journal.add_tasks(tasks)
    steps.order = {task.id: position for position, task in enumerate(tasks)}
    steps.budget.tasks = len(tasks)
    room, preparing = asyncio.Semaphore(operation.tasks), asyncio.Semaphore(PREPARING)
    threads = ThreadPoolExecutor(operation.executions + operation.tasks + PREPARING)
    asyncio.get_running_loop().set_default_executor(threads)

    async def one(task: Task) -> TaskResult | None:
        state = steps.journal.task_state(task.id)
        if state in FINAL:
            return TaskResult(task.id, state, "in an earlier session")
        async with room:
            return None if steps.stopping else await run_task(task, settings, steps, prepare, preparing, solver)

    ended: dict[str, TaskResult | None] = {}
    with stop_on_interrupt(steps):
        try:
            for again in (False, True):
                left = [task for task in tasks if not again or ((was := ended[task.id]) and was.may_pass)]
                if again and left and not steps.stopping:
                    text = f"{len(left)} tasks failed for a reason that may have passed: once more"
                    steps.notify(Event("note", "", "", text))
                async with asyncio.TaskGroup() as group:
                    running = {task.id: group.create_task(one(task)) for task in left}
                ended |= {id: done.result() or ended.get(id) for id, done in running.items()}
        except ExceptionGroup as errors:
            raise gravest(errors) from None
        finally:
            await steps.drain()
    return [how for how in ended.values() if how is not None]


async def run_task(
    task: Task,
    settings: Settings,
    steps: Steps,
    prepare: Callable[[Task], Workspace],
    preparing: asyncio.Semaphore,
    solver: Solver = solve_task,
) -> TaskResult | None:
    """Solve one task and record how it ended; None if it was stopped on the way. Raises BadInput and JournalError."""
    choice: Choice | None = None
    may_pass = False
    work: Work | None = None
    try:
        async with preparing:
            work = await begin(task, settings, steps, prepare)
        with closing(work.snapshot):
            # What else can end without a call needs nothing set aside.
            minimum = reserve_for(task, settings, steps, work.snapshot.entries) if solver is solve_task else {}
            await steps.budget.begin(task.id, minimum)
            steps.notify(Event("task", task.id, "solving"))
            choice = await solver(work)
        state, reason = how_it_ended(choice, work.ended_early)
    except Exception as raised:
        error = gravest(raised)
        if isinstance(error, Stopping):
            return None
        if isinstance(error, BadInput | JournalError):
            raise error from None
        state, reason = state_of(error), redact(str(error) or type(error).__name__)
        may_pass = isinstance(error, EnvironmentFailed | SandboxError | ExecutionFailed | RetriesExhausted)
        if state is State.FAILED:
            lines = redact("".join(traceback.format_exception(error)))
            steps.journal.put_note(task.id, "task", 0, "traceback", lines)
    finally:
        steps.budget.end(task.id)
    number, patch = (None, None) if choice is None or choice.number is None else (choice.number, choice.patch)
    await steps.journal.together(lambda: steps.journal.end_task(task.id, state, reason, number, patch))
    steps.notify(Event("task", task.id, state, reason))
    return TaskResult(task.id, state, reason, may_pass)


async def begin(task: Task, settings: Settings, steps: Steps, prepare: Callable[[Task], Workspace]) -> Work:
    """Make a task ready, when calls could go out that nobody waits for. Raises BudgetReached, Stopping and others."""
    async with steps.turn_to_begin(task.id):
        pass
    if steps.stopping:
        raise Stopping(f"{task.id} was not begun")
    # What any codebase needs: to build an environment only to find that there is no money would be a waste.
    await steps.budget.afford(task.id, reserve_for(task, settings, steps, ()))
    await steps.journal.together(lambda: steps.journal.begin_task(task.id))
    steps.notify(Event("task", task.id, "preparing"))
    workspace = await asyncio.to_thread(prepare, task)
    try:
        await asyncio.to_thread(steps.sandbox.ensure, workspace.environment)
        return await asyncio.to_thread(open_work, workspace, settings, steps)
    except BaseException:
        workspace.snapshot.close()
        raise


def reserve_for(task: Task, settings: Settings, steps: Steps, entries: Iterable[Entry]) -> dict[str, float]:
    """US dollars by stage that a task needs to end with a prediction; nothing where there is no budget."""
    if settings.operation.budget is None and settings.operation.task_budget is None:
        return {}
    return minimum(settings, steps.primary, steps.scan, entries, task.issue)


def open_work(workspace: Workspace, settings: Settings, steps: Steps) -> Work:
    """Everything the stages of one task share."""
    task, snapshot = workspace.task, workspace.snapshot
    texts = (snapshot.text(e.path) or "" for e in snapshot.entries if e.size <= MARKER_BYTES)
    marker = marker_for(task.id, (task.issue, *texts))
    prompts = Prompts(marker, settings.prompts, {"repo": task.repo, "issue": task.issue})
    return Work(task, snapshot, workspace.environment, settings, prompts, steps)


def how_it_ended(choice: Choice | None, ended_early: Sequence[Exception]) -> tuple[State, str]:
    """State and reason of a task whose pipeline came to its end."""
    if choice is not None:
        return State.ABSTAINED if choice.number is None else State.PREDICTED, choice.reason
    for error in ended_early:
        if isinstance(error, BudgetReached):
            return State.OVER_BUDGET, str(error)
    early = "; ".join(dict.fromkeys(str(error) for error in ended_early))
    return State.NO_CANDIDATE, early or "no trajectory ended with an edit that applies"


def state_of(error: Exception) -> State:
    """How a task ended that an error ended."""
    match error:
        case BudgetReached():
            return State.OVER_BUDGET
        case EnvironmentFailed() | SandboxError():
            return State.ENVIRONMENT_FAILED
        case ExecutionFailed():
            return State.SANDBOX_FAILED
        case ModelError():
            return State.MODEL_FAILED
        case _:
            return State.FAILED


def gravest(error: Exception) -> Exception:
    """The error to act on among those of a group: what concerns the whole run, then a stop, then the first."""
    if not isinstance(error, ExceptionGroup):
        return error
    errors = [gravest(inner) for inner in error.exceptions]
    for kind in (BadInput | JournalError, Stopping):
        for inner in errors:
            if isinstance(inner, kind):
                return inner
    return errors[0]


@contextmanager
def stop_on_interrupt(steps: Steps) -> Iterator[None]:
    """First SIGINT or SIGTERM: what is in flight ends, nothing new begins. Second: stop at once."""
    loop = asyncio.get_running_loop()
    whole = asyncio.current_task()
    assert whole is not None

    def interrupted() -> None:
        if steps.stopping:
            steps.abandon()
            whole.cancel()
        else:
            steps.stopping = True
            steps.notify(Event("note", "", "", "stopping: calls in flight will end and be kept; again to stop at once"))

    signals = (signal.SIGINT, signal.SIGTERM)
    for number in signals:
        loop.add_signal_handler(number, interrupted)
    try:
        yield
    finally:
        for number in signals:
            loop.remove_signal_handler(number)

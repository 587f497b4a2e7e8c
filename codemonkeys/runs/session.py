"""One session of a run, of tasks or of an ensemble: opens all that it needs before money is spent, and closes it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from codemonkeys.engine.events import Notify, note, silent
from codemonkeys.engine.steps import Steps
from codemonkeys.engine.stop import Stop
from codemonkeys.errors import BadSettings, RunInterrupted, SandboxUnavailable
from codemonkeys.journal.choices import ChoiceJournal
from codemonkeys.journal.digest_store import DigestStore
from codemonkeys.journal.named_choices import NamedChoice
from codemonkeys.journal.store import Journal
from codemonkeys.models.base import Remarking
from codemonkeys.models.roles import ModelSet
from codemonkeys.models.windows import Window
from codemonkeys.prompting.check import check_prompts
from codemonkeys.prompting.rendering import template_sources
from codemonkeys.runs.models import open_models, tool_models_of
from codemonkeys.runs.nodes import keeping_nodes
from codemonkeys.runs.outcomes import State, TaskResult
from codemonkeys.runs.predictions_file import keeping_predictions_file
from codemonkeys.runs.runner import Opening, Prepare, Release, Solver, keep, run_tasks
from codemonkeys.runs.windows import fit_settings, windows_of
from codemonkeys.settings import Settings, build
from codemonkeys.stages import CONTEXT_MODES
from codemonkeys.system.event_loops import in_this_loop
from codemonkeys.tasks.backends import choose_backend
from codemonkeys.tasks.base import Task, Workspace
from codemonkeys.tasks.environments import default_home, prepare
from codemonkeys.tasks.in_place import check_outside
from codemonkeys.tasks.kept_images import KeptImages
from codemonkeys.wording import option
from sandboxes.base import ImageSandbox, Sandbox, SandboxError
from sandboxes.sessions import SessionSandbox


class Workplace(NamedTuple):
    """A sandbox, and the preparation of tasks for it."""

    name: str
    sandbox: Sandbox
    """Closed with the session."""
    prepare: Prepare


@dataclass(frozen=True)
class RunRequest:
    """What a run is to do."""

    source: str
    """Where its tasks come from, such that a resumed run finds them there."""
    ids: tuple[str, ...]
    """Tasks of the source that were asked for; empty: all."""
    tasks: tuple[Task, ...]
    settings: Settings
    inputs: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """What else decides answers, stored with the settings: a resumed run must find it unchanged."""
    models: Callable[[Settings], ModelSet] = open_models
    """Opens the models; called in a thread."""
    write_files: Callable[[Path], None] = lambda folder: None
    """Writes into the run's folder what the source needs, once the run is open."""

    workplace: Workplace | None = None
    """Where its code runs, for runs that another program embeds; None: what `sandbox.kind` names."""
    choice: NamedChoice | None = None
    """The choice to make among the candidates of a run that exists; None: the run's own."""
    kept: Mapping[str, Any] | None = None
    """The settings of a run that a choice leaves as they are."""

    def stored(self, settings: Settings) -> dict[str, Any]:
        """What the journal keeps of it."""
        if self.kept is not None:
            return dict(self.kept)
        values = settings.model_dump(mode="json")
        del values["models"]
        if models := {name: given for name, own in settings.models.items() if (given := own.given())}:
            values["models"] = models
        return {"ids": list(self.ids), **self.inputs, **values}


@dataclass(frozen=True)
class Summary:
    """How a session ended."""

    run: str
    folder: Path
    ended: tuple[TaskResult, ...]
    """Tasks that ended, in this session or an earlier one."""
    waiting: int
    """Tasks that were not finished because the session was stopped."""
    spent: float | None
    """US dollars the whole run has cost so far, as far as prices are known; None if none is."""
    untested: tuple[str, ...] = ()
    """Tasks with a prediction of which no test script could tell anything."""

    @property
    def predicted(self) -> int:
        """Tasks with a prediction."""
        return sum(result.state == State.PREDICTED for result in self.ended)

    @property
    def over_budget(self) -> bool:
        """Whether the budget kept a task from its end."""
        return any(result.state == State.OVER_BUDGET for result in self.ended)


@dataclass(frozen=True)
class Session:
    """A run that is open."""

    request: RunRequest
    settings: Settings
    """As a resumed run would read them, fitted into the windows of the models."""
    journal: Journal
    steps: Steps
    prepare: Prepare
    release: Release = keep

    async def run(
        self, solver: Solver, settings: Settings | None = None, opening: Opening | None = None
    ) -> list[TaskResult]:
        """Take every task through a solver; returns those that ended. `settings`: other ones than the run's."""
        tasks, used = self.request.tasks, settings or self.settings
        return await run_tasks(tasks, used, self.steps, self.prepare, solver, self.release, opening)

    def summary(self, ended: Sequence[TaskResult]) -> Summary:
        """How the session ended, given the tasks that did."""
        waiting, journal = len(self.request.tasks) - len(ended), self.journal
        predicted = [result.task for result in ended if result.state == State.PREDICTED]
        untested = tuple(task for task in predicted if journal.executions.could_not_tell(task))
        return Summary(journal.name, journal.folder, tuple(ended), waiting, journal.calls.known_cost(), untested)


@dataclass(frozen=True)
class Options:
    """How a session is carried out."""

    runs: Path
    """Folder of all runs."""
    name: str
    accept_changes: bool = False
    """Redo stored steps whose request has changed."""
    notify: Notify = silent
    stop: Stop | None = None


@asynccontextmanager
async def open_session(request: RunRequest, options: Options) -> AsyncIterator[Session]:
    """Open a run, begun or resumed; nothing is left behind when that is refused.

    Raises BadInput and its kin before anything is spent, JournalError, SandboxUnavailable.
    """
    # Threads have something to tell, too: what a sandbox does not isolate, which image could not be removed.
    settings, options = request.settings, replace(options, notify=in_this_loop(options.notify))
    if settings.prompts is not None:
        check_prompts(settings.prompts)
    async with AsyncExitStack() as opened:
        models = await asyncio.to_thread(request.models, settings)
        opened.push_async_callback(models.close)
        home = default_home()
        kind, open_sandbox, preparing = await asyncio.to_thread(find_workplace, request, options, home)
        settings = settled(settings, kind)
        windows = windows_of(models, settings.context.token_margin)
        tools = tool_models_of(models, settings)
        journal = opened.enter_context(open_journal(request, settings, options, windows, tools))
        if journal.is_begun_by_older:
            settings = with_early_tests(settings)
        settings = fit_settings(settings, models, journal.windows, lambda line: options.notify(note(line)))
        sandbox = opened.enter_context(closing(await asyncio.to_thread(opening, open_sandbox, journal.name, settings)))
        if settings.generation.count("agent") and not isinstance(sandbox, SessionSandbox):
            raise BadSettings(
                f"the {kind} sandbox has no sessions, in which agents work: choose another with "
                f"{option('sandbox', 'NAME')}, or set generation.kinds=[edit]"
            )
        await opened.enter_async_context(keeping_nodes(journal, sandbox))
        digests = open_digests(settings, home)
        if digests is not None:
            opened.enter_context(closing(digests))
        notify = await opened.enter_async_context(keeping_predictions_file(journal.folder, options.notify))
        steps = Steps(
            *(journal, models, sandbox, settings.operation),
            accept_changes=options.accept_changes,
            notify=notify,
            digests=digests,
            stop=options.stop,
        )
        opened.callback(steps.close)
        opened.callback(tell_remarks, models, notify)
        held = sandbox.release if isinstance(sandbox, ImageSandbox) else None
        kept = KeptImages(request.tasks, home, settings.operation.keep_images, held, lambda line: notify(note(line)))
        opened.callback(kept.close)

        def prepare_task(task: Task) -> Workspace:
            kept.begin(task)
            return preparing(task)

        yield Session(request, settings, journal, steps, prepare_task, kept.end)


def opening(open_sandbox: Callable[..., Sandbox], run: str, settings: Settings) -> Sandbox:
    """Open the sandbox of a run. Raises SandboxUnavailable."""
    try:
        return open_sandbox(run, reuse=settings.sandbox.reuse, **settings.operation.cluster.options())
    except SandboxError as error:
        raise SandboxUnavailable(str(error)) from error


def find_workplace(request: RunRequest, options: Options, home: Path) -> tuple[str, Callable[..., Sandbox], Prepare]:
    """The name of the sandbox, what opens it, and what prepares tasks for it. What it does not isolate is told.

    Raises BadSettings, BadInput, SandboxUnavailable.
    """
    if request.workplace is not None:
        name, sandbox, preparing = request.workplace
        return name, lambda run, **options: sandbox, preparing
    kind, backend = choose_backend(request.settings.sandbox.kind, request.tasks, home)
    if backend.environment == "here":
        for folder in (options.runs, home):
            check_outside(request.tasks, folder)
    if backend.lost:
        options.notify(note(f"The sandbox {kind} does not isolate: {backend.lost}."))
    return kind, backend.open, lambda task: prepare(task, home, backend.environment)


def tell_remarks(models: ModelSet, notify: Notify) -> None:
    """Tell what the models want to be known at the end of a session."""
    for model in models.distinct():
        for remark in model.remarks() if isinstance(model, Remarking) else ():
            notify(note(remark))


def settled(settings: Settings, sandbox: str) -> Settings:
    """The settings with what `auto` came to: a resumed run must not move to another sandbox."""
    values = settings.model_dump(mode="json")
    values["sandbox"]["kind"] = sandbox
    return build(values)


def with_early_tests(settings: Settings) -> Settings:
    """The settings of a run that version 0.1 began, which knew no other order."""
    values = settings.model_dump(mode="json")
    values["generation"]["early_tests"] = True
    return build(values)


@contextmanager
def open_journal(
    request: RunRequest,
    settings: Settings,
    options: Options,
    windows: Mapping[str, Window] = MappingProxyType({}),
    tool_models: Collection[str] = (),
) -> Iterator[Journal]:
    """The run's journal: begun, or opened again if it was begun with equal settings and inputs.

    `windows`: of its models by name, and `tool_models`: those that are given native tools, which a run that begins
    keeps.

    A run that fails before its first step leaves no folder: its name stays free.
    """
    run = (options.runs, options.name, request.source, request.stored(settings), windows)
    journal: Journal
    if request.choice is None:
        journal = Journal(*run, template_sources(settings.prompts), tool_models)
    else:
        journal = ChoiceJournal(*run, choice=request.choice)
    try:
        request.write_files(journal.folder)
        yield journal
    except RunInterrupted:  # Says how to resume the run, which is therefore kept.
        raise
    except Exception:
        journal.discard_unused()
        raise
    finally:
        journal.close()


def open_digests(settings: Settings, home: Path) -> DigestStore | None:
    """The store of digests, where relevance reads them."""
    if "digest" not in CONTEXT_MODES[settings.context.mode].forms:
        return None
    return DigestStore(settings.context.digests or home / "digests.db")

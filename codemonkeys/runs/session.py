"""One session of a run: opens all that it needs, refusing bad input before any money is spent, and carries it out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from codemonkeys.engine.steps import Event, Steps
from codemonkeys.errors import BadInput, SandboxUnavailable, UnpricedModel
from codemonkeys.journal.digest_store import DigestStore
from codemonkeys.journal.store import Journal
from codemonkeys.models import open_model
from codemonkeys.prompting import check_own
from codemonkeys.runs.predictions_file import keeping_predictions_file
from codemonkeys.runs.runner import State, TaskResult, run_tasks
from codemonkeys.selection.deciding import check_rules
from codemonkeys.settings import OperationSettings, Settings, build
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.environments import default_home, prepare, why_not_locally
from codemonkeys.tasks.sources import load_tasks
from sandboxes import open_sandbox

if TYPE_CHECKING:
    from codemonkeys.models.base import Model


@dataclass(frozen=True)
class Summary:
    """How a session ended."""

    run: str
    folder: Path
    ended: tuple[TaskResult, ...]
    """Tasks that ended, in this session or an earlier one."""
    waiting: int
    """Tasks that were not finished because the session was stopped."""
    spent: float
    """US dollars the whole run has cost so far, as far as prices are known."""

    @property
    def predicted(self) -> int:
        """Tasks with a prediction."""
        return sum(ended.state == State.PREDICTED for ended in self.ended)

    @property
    def over_budget(self) -> bool:
        """Whether the budget kept a task from its end."""
        return any(ended.state == State.OVER_BUDGET for ended in self.ended)


def run_session(
    source: str,
    ids: Sequence[str],
    settings: Settings,
    runs: Path,
    name: str,
    *,
    accept_changes: bool = False,
    notify: Callable[[Event], None] = lambda event: None,
) -> Summary:
    """Solve tasks of a source in a run that is begun or resumed, until done or stopped.

    Raises BadInput and its kin before anything is spent, JournalError, SandboxUnavailable.
    """
    tasks = load_tasks(source, ids or None)
    if settings.prompts is not None:
        check_own(settings.prompts)
    check_rules(settings.selection)
    primary, scan = open_models(settings)
    writers = open_writers(settings, (primary, scan))
    kind = choose_sandbox(settings.sandbox.kind, tasks)
    plan = settings.model_dump(mode="json")
    # What `auto` came to is part of the run: a resume is not to move it to another sandbox.
    plan["sandbox"]["kind"] = kind
    # From here on the settings are those that a resume would read.
    settings = build(plan)
    journal = Journal(runs, name, source, {"ids": list(ids), **plan})
    try:
        return asyncio.run(_carry_out(tasks, settings, journal, primary, scan, writers, kind, accept_changes, notify))
    finally:
        journal.close()


async def _carry_out(
    tasks: Sequence[Task],
    settings: Settings,
    journal: Journal,
    primary: Model,
    scan: Model,
    writers: tuple[Model, ...],
    kind: Literal["local", "docker"],
    accept_changes: bool,
    notify: Callable[[Event], None],
) -> Summary:
    sandbox = open_sandbox(kind, journal.name, reuse=settings.sandbox.reuse)
    home = default_home()
    context = settings.context
    digests = DigestStore(context.digests or home / "digests.db") if context.mode == "digest" else None
    try:
        async with keeping_predictions_file(journal.folder, notify) as told:
            steps = Steps(
                *(journal, primary, scan, sandbox, settings.operation, accept_changes, told),
                digests=digests,
                writers=writers,
            )
            ended = await run_tasks(tasks, settings, steps, lambda task: prepare(task, home, kind))
        return Summary(journal.name, journal.folder, tuple(ended), len(tasks) - len(ended), journal.calls.spent())
    finally:
        sandbox.close()
        if digests is not None:
            digests.close()
        for model in {id(model): model for model in (primary, scan, *writers)}.values():
            await model.close()


def open_models(settings: Settings) -> tuple[Model, Model]:
    """Primary and scan model; raises BadInput when none is named, MissingKey, UnpricedModel under a budget."""
    if settings.model is None:
        raise BadInput(
            "no model was named: give one with -m, such as -m anthropic/claude-sonnet-4-5, "
            "-m openai/NAME --api-base URL for a local endpoint, or -m fake for a dry run"
        )
    operation = settings.operation
    primary = open_model(settings.model, operation)
    scan = primary if settings.scan_model in (None, settings.model) else open_model(str(settings.scan_model), operation)
    check_prices(operation, (primary, scan))
    return primary, scan


def open_writers(settings: Settings, opened: Sequence[Model]) -> tuple[Model, ...]:
    """The models of `generation.models`, each opened once; raises as `open_models`."""
    by_name = dict(zip((settings.model, settings.scan_model or settings.model), opened, strict=True))
    for name in settings.generation.models:
        if name not in by_name:
            by_name[name] = open_model(name, settings.operation)
    writers = tuple(by_name[name] for name in settings.generation.models)
    check_prices(settings.operation, writers)
    return writers


def check_prices(operation: OperationSettings, models: Sequence[Model]) -> None:
    """Raise UnpricedModel for a model of unknown price under a budget."""
    for model in models:
        if operation.budget is not None and model.price is None:
            raise UnpricedModel(
                f"a budget was given, but nobody knows what {model.name} costs: give its prices in a registry file "
                "with -c operation.prices=FILE (JSON, as LITELLM_MODEL_REGISTRY_PATH has it)"
            )


def choose_sandbox(kind: str, tasks: Sequence[Task]) -> Literal["local", "docker"]:
    """`local` or `docker`: what was asked for, or the first that works here for every task.

    Raises SandboxUnavailable saying why neither does.
    """
    from sandboxes import docker, local

    why_not_local = local.unavailable() or (None if kind == "docker" else why_not_locally(tasks, default_home()))
    if kind != "docker" and why_not_local is None:
        return "local"
    if kind == "local":
        raise SandboxUnavailable(f"the local sandbox cannot be used: {why_not_local}")
    why_not_docker = docker.unavailable()
    if why_not_docker is None:
        return "docker"
    reasons = f"docker: {why_not_docker}"
    if kind == "auto":
        reasons = f"local: {why_not_local}; {reasons}"
    raise SandboxUnavailable(f"no sandbox can run untrusted code here. {reasons}")

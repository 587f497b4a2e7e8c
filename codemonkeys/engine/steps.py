"""All effects of a run in one place: its model calls and its executions, each a step of the journal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import cache, partial
from typing import ParamSpec, TypeVar

from codemonkeys.engine.budget import Budget
from codemonkeys.engine.calls import ModelCalls
from codemonkeys.engine.events import Notify, silent
from codemonkeys.engine.executions import Executions
from codemonkeys.engine.in_flight import InFlight
from codemonkeys.engine.queues import ExecutionSlots
from codemonkeys.engine.step_context import StepContext
from codemonkeys.engine.stop import Stop
from codemonkeys.engine.threads import Threads
from codemonkeys.journal.digest_store import DigestStore
from codemonkeys.journal.store import Journal
from codemonkeys.models.roles import ModelSet
from codemonkeys.redact import Redactor
from codemonkeys.settings import OperationSettings
from codemonkeys.settings.section import memory_mb
from codemonkeys.system.programs import Programs
from sandboxes.base import Capacity, ElasticSandbox, Sandbox
from sandboxes.sessions import BeginningSandbox

P = ParamSpec("P")
T = TypeVar("T")

PREPARING = 4
"""Tasks whose snapshot and environment are prepared at a time."""

AHEAD = 3
"""Times the executions that fit on a cluster which are given to it: while some of them wait for the node that has their
environment, others find cores that would idle. More of them would have environments copied that are soon needed no
more."""


def cores() -> int:
    """Executions that this machine takes at a time."""
    return os.cpu_count() or 1


@cache
def here() -> Capacity:
    """What this machine takes at a time."""
    return Capacity(cores(), memory_mb() * 4 // 5, cores())


class Steps:
    """Carries out the steps of a run: from the journal if it holds them, else for real."""

    def __init__(
        self,
        journal: Journal,
        models: ModelSet,
        sandbox: Sandbox,
        operation: OperationSettings,
        *,
        accept_changes: bool = False,
        notify: Notify = silent,
        digests: DigestStore | None = None,
        stop: Stop | None = None,
    ) -> None:
        """`accept_changes`: redo stored steps whose request has changed. `digests`: needed where relevance reads them.

        Made in the event loop that awaits the steps.
        """
        self.journal, self.models, self.sandbox, self.operation = journal, models, sandbox, operation
        self.notify, self.digests = notify, digests
        self.stop = stop or Stop()
        self.budget = Budget(journal.calls, operation)
        self.in_flight = InFlight(journal.name, self.stop)
        self.tried: set[str] = set()
        """Names of environments in which scripts are known to run."""
        self.programs = Programs()
        capacity = sandbox.capacity if isinstance(sandbox, ElasticSandbox) else here
        # Our own threads: the event loop may be somebody else's, and its default ones too few for all that waits.
        is_elsewhere = isinstance(sandbox, BeginningSandbox)

        def threads() -> int:
            waiting = 0 if is_elsewhere else operation.executions or capacity().executions
            return waiting + operation.tasks + PREPARING

        self._threads = Threads(threads)
        context = StepContext(journal, self.in_flight, Redactor(os.environ), notify, accept_changes)
        self.positions, self.ending = context.positions, context.ending
        ahead = AHEAD if is_elsewhere else 1
        slots = ExecutionSlots(operation.executions, operation.executions_memory_mb, capacity, ahead)
        self.calls = ModelCalls(context, models, operation, self.budget)
        self.executions = Executions(context, sandbox, slots, self._threads)

    async def in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function that blocks, in a thread of this run."""
        call = partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.programs.call, call)

    def abort(self) -> None:
        """Give up what is in flight: calls stay on the bill at their upper bound, all that runs is killed."""
        self.in_flight.cancel()
        self.programs.kill()
        self.sandbox.close()

    def close(self) -> None:
        """Let go of the threads; the journal, the models and the sandbox are closed by whoever opened them."""
        self._threads.shutdown(wait=False, cancel_futures=True)

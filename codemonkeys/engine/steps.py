"""All effects of a run in one place: its model calls and its executions, each a step of the journal."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from codemonkeys.engine.budget import Budget
from codemonkeys.engine.calls import ModelCalls
from codemonkeys.engine.events import Notify, silent
from codemonkeys.engine.executions import Executions
from codemonkeys.engine.in_flight import InFlight
from codemonkeys.engine.queues import ExecutionSlots
from codemonkeys.engine.stop import Stop
from codemonkeys.errors import StepChanged
from codemonkeys.journal.digest_store import DigestStore
from codemonkeys.journal.store import Journal
from codemonkeys.journal.writer import Stored
from codemonkeys.keys import StepKey
from codemonkeys.models.roles import ModelSet
from codemonkeys.redact import Redactor
from codemonkeys.settings import OperationSettings
from codemonkeys.wording import flag, option
from sandboxes.base import Sandbox

P = ParamSpec("P")
T = TypeVar("T")

PREPARING = 4
"""Tasks whose snapshot and environment are prepared at a time."""


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
        self.positions: dict[str, int] = {}
        """Of the tasks in the run: among steps that queue, those of earlier tasks go first."""
        self.in_flight = InFlight(journal.name, self.stop)
        self._accept_changes = accept_changes
        # Our own threads: the event loop may be somebody else's, and its default ones too few for all that waits.
        self._threads = ThreadPoolExecutor(operation.executions + operation.tasks + PREPARING, "codemonkeys")
        # Secrets of the environment, as they are when the session begins.
        secrets = Redactor(os.environ)
        shared = (self.in_flight, self.positions, self._matches, secrets, notify)
        slots = ExecutionSlots(operation.executions, operation.executions_memory_mb)
        self.calls = ModelCalls(journal, models, operation, self.budget, *shared)
        self.executions = Executions(journal, sandbox, slots, *shared, self._threads)

    async def in_thread(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call a function that blocks, in a thread of this run."""
        call = partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def abort(self) -> None:
        """Give up what is in flight: calls stay on the bill at their upper bound, executions are killed."""
        self.in_flight.cancel()
        self.sandbox.close()

    def close(self) -> None:
        """Let go of the threads; the journal, the models and the sandbox are closed by whoever opened them."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _matches(self, stored: Stored, request_hash: str, key: StepKey) -> bool:
        if stored.request_hash == request_hash:
            return True
        if self._accept_changes:
            return False
        raise StepChanged(
            f"run {self.journal.name!r} holds an answer for {key}, but to another request: a prompt, the code or a "
            f"setting has changed since. Pass {flag('accept_changes')} to redo this step and what follows from it "
            f"(what it cost stays on the bill), or choose another name for the run ({option('name')})"
        )

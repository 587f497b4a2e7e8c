"""Executions as steps: answered from the journal, or by an equal execution, else run in the sandbox and stored."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import replace
from typing import NamedTuple

from codemonkeys.engine.ending import Ending
from codemonkeys.engine.events import Event
from codemonkeys.engine.queues import ExecutionSlots, PriorityQueue, never, no_share
from codemonkeys.engine.step_context import StepContext
from codemonkeys.errors import ExecutionFailed
from codemonkeys.journal.executions import execution_hash
from codemonkeys.journal.layers import pack
from codemonkeys.journal.writer import Stored
from codemonkeys.keys import StepKey
from sandboxes.base import ElasticSandbox, Environment, Execution, Limits, Reason, Sandbox, Script
from sandboxes.layers import EMPTY, Layer
from sandboxes.sessions import BeginningSandbox, SessionSandbox, Step

SANDBOX_ATTEMPTS = 3


class ExecutionRequest(NamedTuple):
    """One execution, complete."""

    environment: Environment
    script: Script
    patch: str | None
    limits: Limits
    layer: Layer | None = None
    """What has changed before, of a command in a session."""

    def hash(self) -> str:
        """SHA-256 of all that decides what it answers."""
        return execution_hash(*self)


class Executions:
    """The executions of a run."""

    def __init__(self, context: StepContext, sandbox: Sandbox, slots: ExecutionSlots, threads: Executor) -> None:
        self._context, self._journal, self._in_flight = context, context.journal, context.in_flight
        self._sandbox, self._threads = sandbox, threads
        self._begin = sandbox.begin if isinstance(sandbox, BeginningSandbox) else None
        """Where it is, no thread waits for an execution: a cluster has a thousand under way."""
        self._queue = PriorityQueue(slots, _share_of(sandbox), _end_on(sandbox, context.ending))
        self._running: dict[str, asyncio.Future[Step]] = {}
        """Executions under way, by the hash of their request."""

    async def run(self, key: StepKey, request: ExecutionRequest) -> Execution:
        """Run a script, once in the life of the run; equal requests are answered by an earlier equal execution.

        Raises ExecutionFailed when the sandbox itself fails again and again, StepChanged, RunInterrupted.
        """
        return (await self.step(key, request)).execution

    async def step(self, key: StepKey, request: ExecutionRequest) -> Step:
        """Run a script, as `run` does, in a session if the request has a layer."""
        executions, request_hash = self._journal.executions, request.hash()
        stored = executions.stored(key)
        if stored is not None:
            if self._context.answers(stored, request_hash, key):
                return self._stored(stored, request)
            executions.supersede(stored)
        if (step := await self._equal(request_hash, request)) is not None:
            await self._put(key, request_hash, request, step, reused=True, attempts=0)
            return step
        self._running[request_hash] = asyncio.get_running_loop().create_future()
        begun: asyncio.Future[Step] | None = None
        try:
            async with self._queue.slot(self._context.priority_of(key), request.limits.memory_mb, key.task):
                begun = self._in_flight.start(self._attempt(key, request_hash, request))
                # It goes on without whoever is cancelled here, as a straggler is, and others may be waiting for it.
                begun.add_done_callback(lambda ended: self._end(request_hash, key, ended))
                return await asyncio.shield(begun)
        finally:
            if begun is None:
                self._running.pop(request_hash).cancel()

    def _end(self, request_hash: str, key: StepKey, ended: asyncio.Future[Step]) -> None:
        """Tell those that wait for an equal execution what it came to."""
        running = self._running.pop(request_hash)
        error = ExecutionFailed(f"{key}: cancelled") if ended.cancelled() else ended.exception()
        if error is None:
            running.set_result(ended.result())
        else:
            running.set_exception(error)
            running.exception()  # Retrieved here: nobody else may be waiting for it.

    def _stored(self, stored: Stored, request: ExecutionRequest) -> Step:
        result = self._journal.executions.result(stored)
        return Step(result, EMPTY) if request.layer is None else Step(result, *self._journal.layers.of(stored))

    async def _equal(self, request_hash: str, request: ExecutionRequest) -> Step | None:
        """The result of an equal execution that has ended or is under way."""
        while (stored := self._journal.executions.equal(request_hash)) is None:
            if (running := self._running.get(request_hash)) is None:
                return None
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                whole = asyncio.current_task()
                if not running.cancelled() or (whole is not None and whole.cancelling()):
                    raise
                # Whoever was to run it was stopped before it began.
        return self._stored(stored, request)

    async def _put(
        self, key: StepKey, request_hash: str, request: ExecutionRequest, step: Step, *, reused: bool, attempts: int
    ) -> None:
        """Store a step, and what a command has left with it."""
        loop, kept = asyncio.get_running_loop(), None
        if request.layer is not None and step.execution.reason is not Reason.SANDBOX_FAILED:
            kept = await loop.run_in_executor(self._threads, pack, step.layer)

        def put() -> None:
            executions, (environment, script, patch, _, _) = self._journal.executions, request
            executions.put(key, request_hash, environment, script, patch, step.execution, reused, attempts)
            if kept is not None:
                self._journal.layers.put(key, kept, step.dropped)

        # On a cluster they end by the hundred in a second, each after seconds: a moment more is none.
        await self._journal.group_commit(put, patient=self._begin is not None)

    async def _attempt(self, key: StepKey, request_hash: str, request: ExecutionRequest) -> Step:
        """Run it until the sandbox itself does not fail, a few times at most."""
        loop = asyncio.get_running_loop()
        for attempt in range(1, SANDBOX_ATTEMPTS + 1):
            self._in_flight.check()
            if self._begin is None:
                step = await loop.run_in_executor(self._threads, self._carry_out, request)
            else:
                step = await asyncio.wrap_future(self._begin(*request))
            step = step._replace(execution=self._redacted(step.execution))
            await self._put(key, request_hash, request, step, reused=False, attempts=attempt)
            self._context.notify(Event("execution", key.task, key.stage))
            if step.execution.reason is not Reason.SANDBOX_FAILED:
                return step
        raise ExecutionFailed(
            f"{key}: the {self._sandbox.name} sandbox failed {SANDBOX_ATTEMPTS} times: {step.execution.detail}. "
            f"See `codemonkeys doctor`, then {self._journal.how_to_go_on()}"
        )

    def _carry_out(self, request: ExecutionRequest) -> Step:
        environment, script, patch, limits, layer = request
        if layer is None:
            return Step(self._sandbox.run(environment, script, patch, limits), EMPTY)
        assert isinstance(self._sandbox, SessionSandbox)  # as was seen to when the run was opened
        return self._sandbox.step(environment, script, layer, limits)

    def _redacted(self, result: Execution) -> Execution:
        """The result without the values of secrets in its texts; what only looks like one may be code, and stays."""
        values = self._context.secrets.values
        return replace(result, output=values(result.output), detail=values(result.detail))


def _share_of(sandbox: Sandbox) -> Callable[[], float]:
    """Executions of a task that go before those of others with fewer.

    On one machine any is as good as another. On several, a task is at home on one: more than that one carries out at a
    time would wait for it in slots that others could use.
    """
    return (lambda: sandbox.capacity().share) if isinstance(sandbox, ElasticSandbox) else no_share


def _end_on(sandbox: Sandbox, ending: Ending) -> Callable[[], bool]:
    """Whether the last tasks are left: those that no longer fill the machines, each of which is home to some.

    On one machine a task or two fill it up to the end.
    """
    if not isinstance(sandbox, ElasticSandbox):
        return never

    def is_near() -> bool:
        capacity = sandbox.capacity()
        return ending.is_near_on(capacity.executions / max(1, capacity.share))

    return is_near

"""Executions as steps: answered from the journal, or by an equal execution, else run in the sandbox and stored."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from codemonkeys.engine.events import Event
from codemonkeys.engine.queues import ExecutionSlots, PriorityQueue
from codemonkeys.engine.step_context import StepContext
from codemonkeys.errors import ExecutionFailed
from codemonkeys.journal.executions import execution_hash
from codemonkeys.keys import StepKey
from sandboxes.base import Environment, Execution, Limits, Reason, Sandbox, Script

SANDBOX_ATTEMPTS = 3


class ExecutionRequest(NamedTuple):
    """One execution, complete."""

    environment: Environment
    script: Script
    patch: str | None
    limits: Limits

    def hash(self) -> str:
        """SHA-256 of all that decides what it answers."""
        return execution_hash(*self)


class Executions:
    """The executions of a run."""

    def __init__(self, context: StepContext, sandbox: Sandbox, slots: ExecutionSlots, threads: Executor) -> None:
        self._context, self._journal, self._in_flight = context, context.journal, context.in_flight
        self._sandbox, self._threads = sandbox, threads
        self._queue = PriorityQueue(slots)
        self._running: dict[str, asyncio.Future[Execution]] = {}
        """Executions under way, by the hash of their request."""

    async def run(self, key: StepKey, request: ExecutionRequest) -> Execution:
        """Run a script, once in the life of the run; equal requests are answered by an earlier equal execution.

        Raises ExecutionFailed when the sandbox itself fails again and again, StepChanged, RunInterrupted.
        """
        executions, request_hash = self._journal.executions, request.hash()
        stored = executions.stored(key)
        if stored is not None:
            if self._context.answers(stored, request_hash, key):
                return executions.result(stored)
            executions.supersede(stored)
        if (result := await self._equal(request_hash)) is not None:
            put = partial(executions.put, key, request_hash, *request[:3], result)
            await self._journal.group_commit(partial(put, reused=True, attempts=0))
            return result
        running: asyncio.Future[Execution] = asyncio.get_running_loop().create_future()
        self._running[request_hash] = running
        try:
            async with self._queue.slot(self._context.priority_of(key), request.limits.memory_mb):
                result = await self._in_flight.complete(self._attempt(key, request_hash, request))
            running.set_result(result)
        except BaseException as error:
            running.set_exception(error if isinstance(error, Exception) else ExecutionFailed(f"{key}: cancelled"))
            running.exception()  # Retrieved here: nobody else may be waiting for it.
            raise
        finally:
            del self._running[request_hash]
        return result

    async def _equal(self, request_hash: str) -> Execution | None:
        """The result of an equal execution that has ended or is under way."""
        if (stored := self._journal.executions.equal(request_hash)) is not None:
            return self._journal.executions.result(stored)
        running = self._running.get(request_hash)
        return None if running is None else await asyncio.shield(running)

    async def _attempt(self, key: StepKey, request_hash: str, request: ExecutionRequest) -> Execution:
        """Run it until the sandbox itself does not fail, a few times at most."""
        loop = asyncio.get_running_loop()
        for attempt in range(1, SANDBOX_ATTEMPTS + 1):
            self._in_flight.check()
            result = self._redacted(await loop.run_in_executor(self._threads, self._sandbox.run, *request))
            put = partial(self._journal.executions.put, key, request_hash, *request[:3], result)
            await self._journal.group_commit(partial(put, reused=False, attempts=attempt))
            self._context.notify(Event("execution", key.task, key.stage))
            if result.reason is not Reason.SANDBOX_FAILED:
                return result
        raise ExecutionFailed(
            f"{key}: the {self._sandbox.name} sandbox failed {SANDBOX_ATTEMPTS} times: {result.detail}. "
            f"See `codemonkeys doctor`, then {self._journal.how_to_go_on()}"
        )

    def _redacted(self, result: Execution) -> Execution:
        """The result without the values of secrets in its texts; what only looks like one may be code, and stays."""
        values = self._context.secrets.values
        return replace(result, output=values(result.output), detail=values(result.detail))

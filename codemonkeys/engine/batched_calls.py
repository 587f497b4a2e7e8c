"""Which calls of a session go in batches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine

from codemonkeys.engine.batcher import Batcher
from codemonkeys.engine.step_context import StepContext
from codemonkeys.errors import BadSettings
from codemonkeys.journal.writer import Stored
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Model, Request
from codemonkeys.models.batching import Batching
from codemonkeys.settings import BatchSettings
from codemonkeys.stages import base_stage
from codemonkeys.wording import option


class BatchedCalls:
    """Calls of the stages that the settings name, and what an earlier session left in a batch."""

    def __init__(self, context: StepContext, settings: BatchSettings) -> None:
        self._context, self._settings = context, settings
        self._batches = context.journal.batches
        self._batchers: dict[int, Batcher] = {}
        self._running: dict[StepKey, asyncio.Future[Completion]] = {}

    def batcher_of(self, request: Request, model: Model) -> Batcher | None:
        """What puts a call into batches; None where it goes out alone. Raises BadSettings.

        Only the first call of a conversation goes in a batch: one that repairs an answer would double the wait.
        """
        wanted = base_stage(request.key.stage) in self._settings.stages and all(
            message.role != "assistant" for message in request.messages
        )
        if not wanted and not self._batches.holds(request.key):
            return None
        if not isinstance(model, Batching) or model.batch_factors is None:
            raise BadSettings(
                f"{request.key} is in a batch of an earlier session: resume the run with {option('batch')}"
            )
        if id(model) not in self._batchers:
            self._batchers[id(model)] = Batcher(self._context, model, self._settings)
        return self._batchers[id(model)]

    def running(self, key: StepKey) -> Awaitable[Completion] | None:
        """The call of a step that is in a batch, though whoever waited for it is gone: a task that is tried again."""
        return asyncio.shield(self._running[key]) if key in self._running else None

    async def complete(self, key: StepKey, step: Coroutine[None, None, Completion]) -> Completion:
        """Carry out a call; see `InFlight.complete`."""
        self._running[key] = running = self._context.in_flight.start(step)
        running.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(running)

    def left(self, request: Request, model: str) -> Stored | None:
        """The step of a call that an earlier session left in a batch. Raises StepChanged."""
        stored = self._batches.take(request.key)
        if stored is not None and self._context.answers(stored, request.hash(model), request.key):
            return stored
        return None

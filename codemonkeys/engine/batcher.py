"""Batches of one model: collected, submitted, polled, and their answers handed to the calls that wait for them."""

from __future__ import annotations

import asyncio
import time
from copy import copy
from datetime import UTC, datetime, timedelta
from functools import partial

from codemonkeys.engine.attempts import Attempts
from codemonkeys.engine.batch import Batch, LeftInBatch, Uncollected
from codemonkeys.engine.batch_context import NAP, BatchContext
from codemonkeys.engine.batch_submission import submit
from codemonkeys.engine.step_context import StepContext
from codemonkeys.errors import ModelError, RejectedRequest
from codemonkeys.journal.batches import StoredBatch
from codemonkeys.journal.settlement import NOT_SENT
from codemonkeys.journal.writer import Stored
from codemonkeys.models.base import Completion, Request
from codemonkeys.models.batch_http import BatchFailure, Route, route_of
from codemonkeys.models.batching import BatchAnswer, Batching, HeldRequest, Unanswered
from codemonkeys.settings import BatchSettings
from codemonkeys.wording import resume


class Batcher:
    """The batches of one model in one session."""

    def __init__(self, context: StepContext, model: Batching, settings: BatchSettings) -> None:
        self._shared = BatchContext(context, model, settings)
        self.name = model.name
        self.factors = self._shared.factors
        """Prices in a batch, relative to those of single calls."""
        self._collecting: dict[Route, Batch] = {}
        self._followed: dict[int, Batch] = {}

    async def complete(self, attempts: Attempts, request: Request) -> Completion:
        """Answer a call by way of a batch. Raises LeftInBatch, Unanswered, ModelError."""
        step = attempts.step
        assert step is not None
        try:
            return await self._shared.model.complete_in_batch(request, partial(self.answer, step))
        except Unanswered as unanswered:
            await attempts.fail(str(unanswered), unanswered.charged, unanswered.usage)
            raise
        except LeftInBatch:
            if self._shared.batches.of_call(step) is None:
                await attempts.fail(NOT_SENT, charged=False)
            else:
                self._shared.batches.leave(request.key, Stored(step, request.hash(self.name)))
            raise

    async def answer(self, step: int, request: HeldRequest) -> BatchAnswer:
        """The answer to a call, by way of the batch that it is in, or of the next one.

        Raises LeftInBatch, Unanswered, ModelError.
        """
        try:
            route = route_of(request)
        except BatchFailure as failure:
            raise RejectedRequest(f"{self.name}: {failure}") from None
        while True:
            try:
                return await self._batch_of(step, route, request.body).answer(step)
            except Uncollected:
                continue

    def _batch_of(self, step: int, route: Route, body: bytes) -> Batch:
        stored = self._shared.batches.of_call(step)
        if stored is not None:
            if stored.number not in self._followed:
                batch = self._followed[stored.number] = Batch(route, self._shared.model.http(), stored)
                self._start(batch)
            return self._followed[stored.number]
        batch = self._collecting.get(route) or self._collect(route)
        if not batch.takes(body):
            batch = self._collect(route)
        batch.add(step, body)
        return batch

    def _collect(self, route: Route) -> Batch:
        batch = self._collecting[route] = Batch(route, self._shared.model.http())
        self._start(batch)
        return batch

    def _start(self, batch: Batch) -> None:
        self._shared.in_flight.start(self._carry_out(batch))

    async def _carry_out(self, batch: Batch) -> None:
        """Take a batch from where it is to its end; whatever happens, nobody is left waiting for it."""
        try:
            if batch.stored is None:
                await self._fill(batch)
                steps, factors = list(batch.bodies), self._shared.factors
                begin = partial(self._shared.batches.begin, batch.tag, self.name, steps, factors)
                batch.stored = await self._shared.commit(begin)
                self._followed[batch.stored.number] = batch
            if batch.stored.provider_id is None:
                await submit(self._shared, batch, batch.stored)
            stored = self._shared.batches.of_number(batch.stored.number)
            assert stored.provider_id is not None
            await self._follow(batch, stored, stored.provider_id)
            await self._collect_answers(batch, stored, stored.provider_id)
        except (LeftInBatch, Uncollected, Unanswered, ModelError) as error:
            self._fail(batch, error)
        except Exception as error:
            self._fail(batch, error)
            raise
        except asyncio.CancelledError:
            self._fail(batch, LeftInBatch(f"aborted; {resume(self._shared.run)}"))
            raise

    def _fail(self, batch: Batch, error: Exception) -> None:
        if batch.stored is not None:
            self._followed.pop(batch.stored.number, None)
        if self._collecting.get(batch.route) is batch:
            del self._collecting[batch.route]
        batch.fail(partial(copy, error))

    async def _fill(self, batch: Batch) -> None:
        """Wait until it is full, or no call has come for a while."""
        while not batch.is_full:
            left = batch.changed_at + self._shared.settings.linger_seconds - time.monotonic()
            if left <= 0:
                break
            await self._shared.sleep(min(left, NAP))
        if self._collecting.get(batch.route) is batch:
            del self._collecting[batch.route]

    async def _follow(self, batch: Batch, stored: StoredBatch, id: str) -> None:
        """Poll it until it has ended. Raises LeftInBatch, Unanswered."""
        until = datetime.fromisoformat(stored.submitted_at) + timedelta(hours=self._shared.settings.hours)
        words, is_cancelled = "", False
        for wait in self._shared.waits():
            try:
                progress = await batch.api.look(id)
                if progress.ended:
                    if progress.refused is not None:
                        self._shared.say(f"batch {id} was refused: {progress.refused}")
                    return
                if progress.words != words:
                    words = progress.words
                    record = partial(self._shared.batches.progressed, stored.number, words)
                    await self._shared.commit(record)
                if datetime.now(UTC) > until and not is_cancelled:
                    self._shared.say(
                        f"batch {id} has not ended within {self._shared.settings.hours:g} hours: it is cancelled"
                    )
                    await batch.api.cancel(id)
                    is_cancelled = True
            except BatchFailure as failure:
                self._shared.check_access(failure, stored)
                if failure.status == 404:
                    return  # So will its answers be.
                wait = max(wait, failure.wait)
            await self._shared.sleep(wait, stored)

    async def _collect_answers(self, batch: Batch, stored: StoredBatch, id: str) -> None:
        """Hand out its answers. Raises LeftInBatch."""
        missing, charged, unanswered = f"batch {id} holds no answer to it", False, 0
        for wait in self._shared.waits():
            try:
                async for custom_id, answer in batch.api.answers(id):
                    tag, _, step = custom_id.rpartition("-")
                    if tag == stored.tag and step.isdecimal():
                        if isinstance(answer, str):
                            unanswered += 1
                            batch.deliver(int(step), Unanswered(f"batch {id}: {answer}"))
                        else:
                            batch.deliver(int(step), answer)
                break
            except BatchFailure as failure:
                self._shared.check_access(failure, stored)
                if failure.is_final:
                    missing, charged = f"batch {id} cannot be read any more: {failure}", True
                    break
                await self._shared.sleep(max(wait, failure.wait), stored)
        unanswered += batch.waits()
        await self._shared.commit(partial(self._shared.batches.end, stored.number, "ended"))
        batch.fail(lambda: Unanswered(missing, charged))
        if unanswered:
            self._shared.say(f"{unanswered} calls of batch {id} have no answer: they go out one by one")

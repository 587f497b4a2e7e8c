"""Model calls as steps: answered from the journal, else reserved, sent, stored and settled."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial

from codemonkeys.engine.attempts import Attempts
from codemonkeys.engine.batch import LeftInBatch
from codemonkeys.engine.batched_calls import BatchedCalls
from codemonkeys.engine.batcher import Batcher
from codemonkeys.engine.bounds import UpperBounds
from codemonkeys.engine.budget import Budget
from codemonkeys.engine.events import Event
from codemonkeys.engine.first_answers import FirstAnswers
from codemonkeys.engine.step_context import StepContext
from codemonkeys.engine.turns import CallQueue, Turn
from codemonkeys.engine.windows import fit, shorten
from codemonkeys.errors import BadInput, BudgetReached, ModelError, NoAnswer
from codemonkeys.journal.settlement import NOT_SENT
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Message, Model, Request, Usage
from codemonkeys.models.batching import Unanswered
from codemonkeys.models.roles import ModelSet
from codemonkeys.models.throttle import Throttle, Throttled
from codemonkeys.settings import OperationSettings

Ask = Callable[[Request], Awaitable[Completion]]
"""How a model is asked: at once, or in a batch."""


class ModelCalls:
    """The model calls of a run."""

    def __init__(self, context: StepContext, models: ModelSet, operation: OperationSettings, budget: Budget) -> None:
        self._context, self._journal, self._in_flight = context, context.journal, context.in_flight
        self._models, self._operation, self._budget = models, operation, budget
        self._first_answers = FirstAnswers(context.journal, context.notify, operation.empty_answers)
        self.bounds = UpperBounds(self._journal.calls, operation)
        self._batched = BatchedCalls(context, operation.batch)
        self._queues = {
            id(model): CallQueue(throttle_of(model, operation), context.ending) for model in models.distinct()
        }
        for model in models.distinct():
            self._journal.put_price(model.name, model.price)
            if isinstance(model, Throttled):
                model.throttle.on_failure = partial(self._record_retry, model.name)

    async def call(self, request: Request) -> Completion:
        """Ask the stage's model, once in the life of the run.

        Raises ModelError, BudgetReached, StepChanged, RunInterrupted. An answer without text is a completion with the
        finish reason `empty`, or `length` if it was cut: it was paid for, and counts as a malformed answer.
        """
        try:
            return await self._call(request)
        finally:
            self.has_called(request.key.task)

    async def _call(self, request: Request) -> Completion:
        model, request = self._models.of(request.key.stage, request.key.sample), await self.fitted(request)
        stored = self._journal.calls.stored(request.key)
        if stored is not None:
            if self._context.answers(stored, request.hash(model.name), request.key):
                return self._journal.calls.answer(stored)
            self._journal.calls.supersede(stored)
        elif (equal := self._journal.calls.equal(request.key, request.hash(model.name))) is not None:
            return self._journal.calls.answer(equal)
        if (batcher := self._batched.batcher_of(request, model)) is not None:
            try:
                return await (self._batched.running(request.key) or self._call_in_batch(request, model, batcher))
            except Unanswered:
                pass  # What that cost is booked, and it goes out alone.
        attempts = Attempts(self._journal, self._budget, self._in_flight, request, model, self.bounds)
        tokens = await attempts.measure()
        priority, queue = self._context.priority_of(request.key), self._queues[id(model)]
        async with queue.turn(priority, tokens, request.key.task) as turn:
            send = partial(self._send, request, turn.asking(model.complete), attempts, turn)
            return await self._when_affordable(attempts, lambda: self._in_flight.complete(send()), turn)

    async def _call_in_batch(self, request: Request, model: Model, batcher: Batcher) -> Completion:
        journal, budget, bounds = self._journal, self._budget, self.bounds
        attempts = Attempts(journal, budget, self._in_flight, request, model, bounds, batcher.factors)
        await attempts.measure()
        send = partial(self._send, request, partial(batcher.complete, attempts), attempts)
        if (left := self._batched.left(request, batcher.name)) is not None:
            self._in_flight.check()
            attempts.take_over(left.id)
            return await self._batched.complete(request.key, send())
        return await self._when_affordable(attempts, lambda: self._batched.complete(request.key, send()))

    async def _when_affordable(
        self, attempts: Attempts, send: Callable[[], Awaitable[Completion]], turn: Turn | None = None
    ) -> Completion:
        while True:
            self._in_flight.check()
            change = self._budget.change
            try:
                return await send()
            except BudgetReached:
                # What ends a call between its attempts ends it for good. Others may have settled since it was refused:
                # in the same commit.
                if attempts.step is not None or not (self._budget.may_change or change.is_set()):
                    raise
            if turn is not None:
                turn.lack_money()
            await attempts.wait_for_room()

    def in_batches(self, stage: str) -> bool:
        """Whether calls of a stage go in batches: one that waited for another's answer would wait for hours."""
        return stage in self._operation.batch.stages

    async def fitted(self, request: Request) -> Request:
        """A request as it is sent: with the parameters of its model, and within its window. Raises PromptTooLong."""
        model = self._models.of(request.key.stage, request.key.sample)

        async def count(message: Message) -> int:
            return (await self.bounds.size_of(message, model)).tokens

        return await fit(self._models.fitted(request), self._journal.windows.get(model.name), count)

    async def shortened(self, key: StepKey, messages: Sequence[Message], tokens: int) -> tuple[Message, ...]:
        """A conversation of at most about so many tokens, its oldest outputs shortened as far as it has to be."""
        model = self._models.of(key.stage, key.sample)

        async def count(message: Message) -> int:
            return (await self.bounds.size_of(message, model)).tokens

        return await shorten(messages, tokens, count)

    def slot_to_begin(self, task: str) -> AbstractAsyncContextManager[None]:
        """A slot behind every call that queues: another task begins only when that keeps no call waiting."""
        return self._queues[id(self._models.primary)].slot_to_begin(self._context.priority_to_begin(task), task)

    def has_called(self, task: str) -> None:
        """A task that has begun has called, or ended: no slot is kept for its first call."""
        self._queues[id(self._models.primary)].has_called(task)

    async def _send(self, request: Request, ask: Ask, attempts: Attempts, turn: Turn | None = None) -> Completion:
        try:
            if attempts.step is None:
                await attempts.begin()
                if turn is not None:
                    await turn.take_slot()
                is_unwanted = turn is not None and turn.is_unwanted
                if is_unwanted or self._in_flight.stop.draining or self._in_flight.refused is not None:
                    await attempts.fail(NOT_SENT, charged=False)
                    self._in_flight.check()
                    raise asyncio.CancelledError
            book = attempts.book if turn is None else partial(_book, attempts, turn)
            answer = await self._answer(replace(request, book_attempt=book), ask, attempts)
        except LeftInBatch:
            self._in_flight.check()
            raise
        finally:
            attempts.settle()
            if turn is not None and turn.has_ended:
                turn.end()
        self._context.notify(Event("call", request.key.task, request.key.stage))
        return answer

    async def _answer(self, request: Request, ask: Ask, attempts: Attempts) -> Completion:
        try:
            answer = await ask(request)
            answer = self._redacted(answer)
        except NoAnswer as error:
            # Where nobody says what it cost, it stays on the bill at its upper bound.
            ending = error.finish_reason or "empty"
            answer = self._redacted(Completion("", ending, error.usage, attempts.model, reasoning=error.reasoning))
        except ModelError as error:
            if isinstance(error, BadInput):
                self._in_flight.refused = error
            await attempts.fail(str(error), error.charged, error.usage, error.finish_reason)
            raise
        await attempts.finish(answer)
        if (unusable := self._first_answers.take(request, attempts.model, answer)) is not None:
            self._in_flight.refused = unusable
            raise unusable
        return answer

    def _redacted(self, answer: Completion) -> Completion:
        """The answer without secrets. Thinking blocks with one are dropped: a changed block has no valid signature."""
        values = self._context.secrets.values
        thinking = answer.thinking if values(answer.thinking) == answer.thinking else ""
        calls = tuple(call.cleaned(values) for call in answer.calls)
        text, reasoning = values(answer.text), values(answer.reasoning)
        if (text, reasoning, thinking, calls) == (answer.text, answer.reasoning, answer.thinking, answer.calls):
            return answer
        return replace(answer, text=text, reasoning=reasoning, thinking=thinking, calls=calls)

    def _record_retry(self, model: str, status: str, words: str) -> None:
        """An attempt failed and is made again: whoever wonders why a run is slow finds it in the journal."""
        self._in_flight.start(self._journal.group_commit(partial(self._journal.put_retry, model, status, words)))
        self._context.notify(Event("retry", "", status, words))


async def _book(attempts: Attempts, turn: Turn, reason: str, usage: Usage | None = None) -> None:
    """Book another attempt of a call that was sent; it has no slot while it waits for money. Raises BudgetReached."""
    await attempts.book(reason, usage, turn.lack_money)
    await turn.take_slot()


def throttle_of(model: Model, operation: OperationSettings) -> Throttle:
    """What limits the calls of a model: its own throttle where it has one, which hears what the provider says."""
    if isinstance(model, Throttled):
        return model.throttle
    limits = operation.limits_of(model.name)
    assert limits.calls is not None
    return Throttle(limits.calls, limits.requests_a_minute or math.inf, limits.tokens_a_minute or math.inf)

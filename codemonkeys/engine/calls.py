"""Model calls as steps: answered from the journal, else reserved, sent, stored and settled."""

from __future__ import annotations

import math
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from functools import partial

from codemonkeys.engine.attempts import Attempts
from codemonkeys.engine.bounds import UpperBounds
from codemonkeys.engine.budget import Budget
from codemonkeys.engine.events import Event
from codemonkeys.engine.first_answers import FirstAnswers
from codemonkeys.engine.queues import PriorityQueue
from codemonkeys.engine.step_context import StepContext
from codemonkeys.engine.windows import fit
from codemonkeys.errors import BadInput, BudgetReached, ModelError, NoAnswer
from codemonkeys.journal.calls import NOT_SENT
from codemonkeys.models.base import Completion, Message, Model, Request
from codemonkeys.models.roles import ModelSet
from codemonkeys.models.throttle import Throttle, Throttled
from codemonkeys.settings import OperationSettings


class ModelCalls:
    """The model calls of a run."""

    def __init__(self, context: StepContext, models: ModelSet, operation: OperationSettings, budget: Budget) -> None:
        self._context, self._journal, self._in_flight = context, context.journal, context.in_flight
        self._models, self._operation, self._budget = models, operation, budget
        self._first_answers = FirstAnswers(context.journal, context.notify, operation.empty_answers)
        self.bounds = UpperBounds(self._journal.calls, operation)
        self._queues = {id(model): PriorityQueue(throttle_of(model, operation)) for model in models.distinct()}
        for model in models.distinct():
            self._journal.put_price(model.name, model.price)
            if isinstance(model, Throttled):
                model.throttle.on_failure = partial(self._record_retry, model.name)

    async def call(self, request: Request) -> Completion:
        """Ask the stage's model, once in the life of the run.

        Raises ModelError, BudgetReached, StepChanged, RunInterrupted. An answer without text is a completion with the
        finish reason `empty`, or `length` if it was cut: it was paid for, and counts as a malformed answer.
        """
        model, request = self._models.of(request.key.stage, request.key.sample), await self.fitted(request)
        stored = self._journal.calls.stored(request.key)
        if stored is not None:
            if self._context.answers(stored, request.hash(model.name), request.key):
                return self._journal.calls.answer(stored)
            self._journal.calls.supersede(stored)
        attempts = Attempts(self._journal, self._budget, self._in_flight, request, model, self.bounds)
        tokens = await attempts.measure()
        async with self._queues[id(model)].slot(self._context.priority_of(request.key), tokens):
            while True:
                await attempts.wait_for_room()
                try:
                    return await self._in_flight.complete(self._send(request, model, attempts))
                except BudgetReached:
                    # Others may have been quicker; but what ends a call between its attempts ends it for good.
                    if attempts.step is not None or not self._budget.may_change:
                        raise

    async def fitted(self, request: Request) -> Request:
        """A request as it is sent: with the parameters of its model, and within its window. Raises PromptTooLong."""
        model = self._models.of(request.key.stage, request.key.sample)

        async def count(message: Message) -> int:
            return (await self.bounds.size_of(message, model)).tokens

        return await fit(self._models.fitted(request), self._journal.windows.get(model.name), count)

    def slot_to_begin(self, task: str) -> AbstractAsyncContextManager[None]:
        """A slot behind every call that queues: another task begins only when that keeps no call waiting."""
        return self._queues[id(self._models.primary)].slot(self._context.priority_to_begin(task))

    async def _send(self, request: Request, model: Model, attempts: Attempts) -> Completion:
        try:
            await attempts.begin()
            if self._in_flight.stop.draining or self._in_flight.refused is not None:
                await attempts.fail(NOT_SENT, charged=False)
                self._in_flight.check()
            answer = await self._answer(replace(request, book_attempt=attempts.book), model, attempts)
        finally:
            attempts.settle()
        self._context.notify(Event("call", request.key.task, request.key.stage))
        return answer

    async def _answer(self, request: Request, model: Model, attempts: Attempts) -> Completion:
        try:
            answer = await model.complete(request)
            answer = self._redacted(answer)
        except NoAnswer as error:
            # Where nobody says what it cost, it stays on the bill at its upper bound.
            answer = self._redacted(
                Completion("", error.finish_reason or "empty", error.usage, model.name, reasoning=error.reasoning)
            )
        except ModelError as error:
            if isinstance(error, BadInput):
                self._in_flight.refused = error
            await attempts.fail(str(error), error.charged, error.usage, error.finish_reason)
            raise
        await attempts.finish(answer)
        if (unusable := self._first_answers.take(request, model.name, answer)) is not None:
            self._in_flight.refused = unusable
            raise unusable
        return answer

    def _redacted(self, answer: Completion) -> Completion:
        """The answer without secrets. Thinking blocks with one are dropped: a changed block has no valid signature."""
        values = self._context.secrets.values
        thinking = answer.thinking if values(answer.thinking) == answer.thinking else ""
        return replace(answer, text=values(answer.text), reasoning=values(answer.reasoning), thinking=thinking)

    def _record_retry(self, model: str, status: str, words: str) -> None:
        """An attempt failed and is made again: whoever wonders why a run is slow finds it in the journal."""
        self._in_flight.start(self._journal.group_commit(partial(self._journal.put_retry, model, status, words)))
        self._context.notify(Event("retry", "", status, words))


def throttle_of(model: Model, operation: OperationSettings) -> Throttle:
    """What limits the calls of a model: its own throttle where it has one, which hears what the provider says."""
    if isinstance(model, Throttled):
        return model.throttle
    limits = operation.limits_of(model.name)
    assert limits.calls is not None
    return Throttle(limits.calls, limits.requests_a_minute or math.inf, limits.tokens_a_minute or math.inf)

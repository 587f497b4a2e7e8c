"""The only place where effects happen: every model call and every execution is a step of the journal."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from codemonkeys.engine.budget import Budget
from codemonkeys.engine.queues import ExecutionSlots, PriorityQueue, Throttle, Throttled, urgency
from codemonkeys.errors import (
    BadInput,
    BudgetReached,
    CodeMonkeysError,
    ExecutionFailed,
    FilteredAnswer,
    ModelError,
    NoAnswer,
    RetriesExhausted,
    StepChanged,
)
from codemonkeys.journal.digest_store import DigestStore
from codemonkeys.journal.executions import execution_hash
from codemonkeys.journal.store import Journal
from codemonkeys.journal.writer import Stored
from codemonkeys.models.base import Completion, Model, Price, Request, StepKey
from codemonkeys.redact import Redactor, redact
from codemonkeys.settings import OperationSettings
from sandboxes.base import Environment, Execution, Limits, Reason, Sandbox, Script

T = TypeVar("T")

SCAN_STAGES = ("digest", "relevance")
"""Stages in which the scan model answers."""
SANDBOX_ATTEMPTS = 3
TOKEN_MARGIN = 1.25
"""How far our token counts may lie below a provider's, in an upper bound."""
MESSAGE_TOKENS = 16
"""What a message costs beyond its text, in an upper bound."""
LONG = 20_000
"""Texts of more characters are counted beside the event loop, which would stand still for milliseconds."""


class Stopping(CodeMonkeysError):
    """The user asked the run to stop: what is in flight ends, nothing new begins."""


@dataclass(frozen=True)
class Event:
    """Something happened that a display may show."""

    kind: str
    """`task`, `call`, `execution`, `retry` (its stage is the HTTP status) or `note`."""
    task: str
    stage: str
    text: str = ""


@dataclass
class Steps:
    """Carries out the steps of a run: from the journal if it holds them, else for real."""

    journal: Journal
    primary: Model
    scan: Model
    sandbox: Sandbox
    operation: OperationSettings
    accept_changes: bool = False
    notify: Callable[[Event], None] = lambda event: None
    digests: DigestStore | None = None
    """The store of digests; needed where relevance reads them."""
    stopping: bool = False
    writers: tuple[Model, ...] = ()
    """Models that write tests and edits, in turn by sample; the primary model if there is none."""
    budget: Budget = field(init=False)
    order: dict[str, int] = field(init=False, default_factory=dict[str, int])
    """Positions of the tasks: among steps that wait, those of earlier tasks go first."""
    _calling: dict[str, PriorityQueue] = field(init=False)
    _executing: PriorityQueue = field(init=False)
    _running: dict[str, asyncio.Future[Execution]] = field(init=False, default_factory=dict)
    _tokens: dict[str, int] = field(init=False, default_factory=dict)
    _refused: BadInput | None = field(init=False, default=None)
    """What every further call would end with, such as a wrong key."""
    _secrets: Redactor = field(init=False, default_factory=lambda: Redactor(os.environ))
    """Those of the environment, as they were when the session began."""
    _in_flight: set[asyncio.Future[Any]] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self.budget = Budget(self.journal.calls, self.operation)
        self._executing = PriorityQueue(ExecutionSlots(self.operation.executions, self.operation.executions_memory_mb))
        models = (self.primary, self.scan, *self.writers)
        self._calling = {model.name: PriorityQueue(throttle_of(model, self.operation)) for model in models}
        for model in models:
            self.journal.put_price(model.name, model.price)
            if isinstance(model, Throttled):
                model.throttle.heard = partial(self._hear, model.name)

    async def call(self, request: Request) -> Completion:
        """Ask the stage's model, once in the life of the run.

        Raises ModelError, BudgetReached, StepChanged, Stopping. An answer without text is a completion with the
        finish reason `empty`: it was paid for, and counts as a malformed answer.
        """
        model = self.model_of(request.key.stage, request.key.sample)
        stored = self.journal.calls.stored(request.key)
        if stored is not None:
            if self._same(stored, request.hash(model.name), request.key):
                return self.journal.calls.answer(stored)
            self.journal.calls.supersede(stored)
        bound, tokens = await self._upper_bound(request, model)
        async with self._calling[model.name].turn(self._urgency(request.key), tokens):
            while True:
                change = self.budget.change
                self._refuse_if_stopping()
                if self.budget.fits(request.key, bound) or not self.budget.may_change:
                    try:
                        return await self._to_the_end(self._go_out(request, model, bound))
                    except BudgetReached:
                        if not self.budget.may_change:
                            raise
                # Only what others have reserved stands in the way: wait for it to settle.
                await change.wait()

    async def _go_out(self, request: Request, model: Model, bound: float) -> Completion:
        calls, budget = self.journal.calls, self.budget

        went_out = False

        def begin() -> int:
            nonlocal went_out
            step = calls.begin(request, model.name, bound, *budget.limits(request.key))
            if not went_out:  # A shared transaction may be made again.
                went_out = True
                budget.went_out(request.key)
            return step

        try:
            step = await self.journal.together(begin)
            if self.stopping or self._refused is not None:
                calls.fail(step, "it did not go out", billed=False)
                self._refuse_if_stopping()
            answer = await self._answer(step, request, model)
        finally:
            if went_out:
                budget.settled(request.key)
        self.notify(Event("call", request.key.task, request.key.stage))
        return answer

    def turn_to_begin(self, task: str) -> AbstractAsyncContextManager[None]:
        """A turn behind every call that waits: to begin another task only when that keeps none waiting."""
        return self._calling[self.primary.name].turn(urgency("begin", self.order.get(task, 0)))

    def _urgency(self, key: StepKey) -> tuple[int, int]:
        return urgency(key.stage, self.order.get(key.task, 0))

    def model_of(self, stage: str, sample: int) -> Model:
        """The model that a sample of a stage calls."""
        if stage in SCAN_STAGES:
            return self.scan
        if stage in ("test", "edit") and self.writers:
            return self.writers[sample % len(self.writers)]
        return self.primary

    async def _answer(self, step: int, request: Request, model: Model) -> Completion:
        calls = self.journal.calls
        try:
            answer = await model.complete(request)
            answer = replace(answer, text=self._secrets.values(answer.text))
        except NoAnswer:
            # Nobody says what it cost: without a usage it stays on the bill at its upper bound.
            answer = Completion("", "empty", None, model.name)
        except ModelError as error:
            if isinstance(error, BadInput):
                self._refused = error
            message, billed = redact(str(error)), isinstance(error, RetriesExhausted | FilteredAnswer)
            await self.journal.together(lambda: calls.fail(step, message, billed))
            raise
        await self.journal.together(lambda: calls.finish(step, answer))
        return answer

    def _hear(self, model: str, status: str, words: str) -> None:
        """An attempt failed and is made again: whoever wonders why a run is slow finds it in the journal."""
        put = partial(self.journal.put_retry, model, status, words)
        stored = asyncio.ensure_future(self.journal.together(put))
        self._in_flight.add(stored)
        stored.add_done_callback(self._landed)
        self.notify(Event("retry", "", status, words))

    async def execute(
        self, key: StepKey, environment: Environment, script: Script, patch: str | None, limits: Limits
    ) -> Execution:
        """Run a script, once in the life of the run; equal arguments are answered by an earlier equal run.

        Raises ExecutionFailed when the sandbox itself fails again and again, StepChanged, Stopping.
        """
        request_hash = execution_hash(environment, script, patch, limits)
        stored = self.journal.executions.stored(key)
        if stored is not None:
            if self._same(stored, request_hash, key):
                return self.journal.executions.result(stored)
            self.journal.executions.supersede(stored)
        if (result := await self._equal(request_hash)) is not None:
            put = partial(self.journal.executions.put, key, request_hash, environment, script, patch, result)
            await self.journal.together(partial(put, reused=True, attempts=0))
            return result
        running: asyncio.Future[Execution] = asyncio.get_running_loop().create_future()
        self._running[request_hash] = running
        try:
            async with self._executing.turn(self._urgency(key), limits.memory_mb):
                result = await self._to_the_end(self._run(key, request_hash, environment, script, patch, limits))
            running.set_result(result)
        except BaseException as error:
            running.set_exception(error if isinstance(error, Exception) else ExecutionFailed(f"{key}: cancelled"))
            running.exception()  # Seen here: nobody else may be waiting for it.
            raise
        finally:
            del self._running[request_hash]
        return result

    async def _equal(self, request_hash: str) -> Execution | None:
        """The result of an execution of equal arguments that has ended or is under way."""
        if (stored := self.journal.executions.equal(request_hash)) is not None:
            return self.journal.executions.result(stored)
        running = self._running.get(request_hash)
        return None if running is None else await asyncio.shield(running)

    async def _run(
        self,
        key: StepKey,
        request_hash: str,
        environment: Environment,
        script: Script,
        patch: str | None,
        limits: Limits,
    ) -> Execution:
        for attempt in range(1, SANDBOX_ATTEMPTS + 1):
            self._refuse_if_stopping()
            result = self._redacted(await asyncio.to_thread(self.sandbox.run, environment, script, patch, limits))
            put = partial(self.journal.executions.put, key, request_hash, environment, script, patch, result)
            await self.journal.together(partial(put, reused=False, attempts=attempt))
            self.notify(Event("execution", key.task, key.stage))
            if result.reason is not Reason.SANDBOX_FAILED:
                return result
        raise ExecutionFailed(
            f"{key}: the {self.sandbox.name} sandbox failed {SANDBOX_ATTEMPTS} times: {result.detail}. "
            f"See `codemonkeys doctor`, then: codemonkeys resume {self.journal.name}"
        )

    def _redacted(self, result: Execution) -> Execution:
        """The same without the values of secrets in its texts; what only looks like one may be code, and stays."""
        values = self._secrets.values
        return replace(result, output=values(result.output), detail=values(result.detail))

    async def _to_the_end(self, step: Coroutine[None, None, T]) -> T:
        """Carry out a step that ends and is stored even if whoever waits for it is cancelled.

        Only what has begun is carried on: a step that still waits for its turn goes with whoever waits for it.
        """
        task = asyncio.ensure_future(step)
        self._in_flight.add(task)
        task.add_done_callback(self._landed)
        return await asyncio.shield(task)

    def _landed(self, task: asyncio.Future[Any]) -> None:
        self._in_flight.discard(task)
        if not task.cancelled():
            task.exception()  # Seen here: whoever waited for it may be gone.

    async def drain(self) -> None:
        """Wait until everything in flight has ended and is stored."""
        await asyncio.gather(*self._in_flight, return_exceptions=True)

    def abandon(self) -> None:
        """Stop at once: what is in flight is lost, and stays on the bill at its upper bound."""
        self.stopping = True
        for task in self._in_flight:
            task.cancel()
        self.sandbox.close()

    def _same(self, stored: Stored, request_hash: str, key: StepKey) -> bool:
        if stored.request_hash == request_hash:
            return True
        if self.accept_changes:
            return False
        raise StepChanged(
            f"run {self.journal.name!r} holds an answer for {key}, but to another request: a prompt, the code or a "
            "setting has changed since. Pass --accept-changes to do this step and what follows from it anew "
            "(what it cost stays on the bill), or choose another --run name"
        )

    def _refuse_if_stopping(self) -> None:
        if self._refused is not None:
            raise self._refused
        if self.stopping:
            raise Stopping(f"stopped; go on with: codemonkeys resume {self.journal.name}")

    async def _upper_bound(self, request: Request, model: Model) -> tuple[float, int]:
        """The most a call can cost in US dollars, and the tokens of its prompt as we count them."""
        limits = self.operation.limits_of(model.name)
        price = None if model.price == Price() else model.price
        if price is None and limits.tokens_a_minute is None:
            return 0.0, 1
        tokens = 0
        for message in request.messages:
            if message.digest not in self._tokens:
                self._tokens[message.digest] = await self._count(model, message.content)
            tokens += self._tokens[message.digest] + MESSAGE_TOKENS
        return price.at_most(tokens * TOKEN_MARGIN, request.max_tokens) if price else 0.0, tokens

    async def _count(self, model: Model, text: str) -> int:
        return await asyncio.to_thread(model.count_tokens, text) if len(text) > LONG else model.count_tokens(text)


def throttle_of(model: Model, operation: OperationSettings) -> Throttle:
    """What limits the calls of a model: its own throttle where it has one, which hears what the provider says."""
    if isinstance(model, Throttled):
        return model.throttle
    limits = operation.limits_of(model.name)
    assert limits.calls is not None
    return Throttle(limits.calls, limits.requests_a_minute or math.inf, limits.tokens_a_minute or math.inf)

"""The only place where effects happen: every model call and every execution is a step of the journal."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

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
from codemonkeys.journal.executions import execution_hash
from codemonkeys.journal.store import Journal
from codemonkeys.journal.writer import Stored
from codemonkeys.models.base import Completion, Message, Model, Price, Request, StepKey
from codemonkeys.redact import redact, redact_values
from codemonkeys.settings import OperationSettings
from sandboxes.base import Environment, Execution, Limits, Reason, Sandbox, Script

T = TypeVar("T")

SANDBOX_ATTEMPTS = 3
TOKEN_MARGIN = 1.25
"""How far our token counts may lie below a provider's, in an upper bound."""
SELECTING = frozenset({"select", "judge", "ballot"})
"""Stages that may use the share of the budget kept for the selection."""
MESSAGE_TOKENS = 16
"""What a message costs beyond its text, in an upper bound."""


class Stopping(CodeMonkeysError):
    """The user asked the run to stop: what is in flight ends, nothing new begins."""


@dataclass(frozen=True)
class Event:
    """Something happened that a display may show."""

    kind: str
    """`task`, `call`, `execution` or `note`."""
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
    stopping: bool = False
    writers: tuple[Model, ...] = ()
    """Models that write tests and edits, in turn by sample; the primary model if there is none."""
    _calling: dict[str, asyncio.Semaphore] = field(init=False)
    _executing: asyncio.Semaphore = field(init=False)
    _running: dict[str, asyncio.Future[Execution]] = field(init=False, default_factory=dict)
    _tokens: dict[str, int] = field(init=False, default_factory=dict)
    _refused: BadInput | None = field(init=False, default=None)
    """What every further call would end with, such as a wrong key."""
    _unsettled: int = field(init=False, default=0)
    """Calls in flight, whose reservations are not settled."""
    _settled: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    """Set, and replaced, whenever a call has settled."""
    _in_flight: set[asyncio.Future[Any]] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._executing = asyncio.Semaphore(self.operation.executions)
        models = (self.primary, self.scan, *self.writers)
        self._calling = {model.name: asyncio.Semaphore(self.operation.calls) for model in models}
        for model in models:
            self.journal.put_price(model.name, model.price)

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
        async with self._calling[model.name]:
            self._refuse_if_stopping()
            step = await self._reserve(request, model)
            return await self._to_the_end(self._answer(step, request, model))

    def model_of(self, stage: str, sample: int) -> Model:
        """The model that a sample of a stage calls."""
        if stage == "relevance":
            return self.scan
        if stage in ("test", "edit") and self.writers:
            return self.writers[sample % len(self.writers)]
        return self.primary

    async def _reserve(self, request: Request, model: Model) -> int:
        """Begin a call; where only what others have reserved stands in its way, wait for them to settle."""
        bound, limit = self._upper_bound(request, model), self._limit(request.key.stage)
        while True:
            try:
                step = self.journal.calls.begin(request, model.name, bound, limit)
            except BudgetReached:
                if self._unsettled == 0:
                    raise
            else:
                self._unsettled += 1
                return step
            await self._settled.wait()
            self._refuse_if_stopping()

    async def _answer(self, step: int, request: Request, model: Model) -> Completion:
        try:
            answer = await model.complete(request)
            answer = replace(answer, text=redact_values(answer.text))
            self.journal.calls.finish(step, answer)
        except NoAnswer:
            # Nobody says what it cost: without a usage it stays on the bill at its upper bound.
            answer = Completion("", "empty", None, model.name)
            self.journal.calls.finish(step, answer)
        except ModelError as error:
            billed = isinstance(error, RetriesExhausted | FilteredAnswer)
            self.journal.calls.fail(step, redact(str(error)), billed)
            if isinstance(error, BadInput):
                self._refused = error
            raise
        finally:
            self._unsettled -= 1
            self._settled.set()
            self._settled = asyncio.Event()
        self.notify(Event("call", request.key.task, request.key.stage))
        return answer

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
            self.journal.executions.put(key, request_hash, environment, script, patch, result, reused=True, attempts=0)
            return result
        running: asyncio.Future[Execution] = asyncio.get_running_loop().create_future()
        self._running[request_hash] = running
        try:
            async with self._executing:
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
            result = redacted(await asyncio.to_thread(self.sandbox.run, environment, script, patch, limits))
            self.journal.executions.put(
                key, request_hash, environment, script, patch, result, reused=False, attempts=attempt
            )
            self.notify(Event("execution", key.task, key.stage))
            if result.reason is not Reason.SANDBOX_FAILED:
                return result
        raise ExecutionFailed(
            f"{key}: the {self.sandbox.name} sandbox failed {SANDBOX_ATTEMPTS} times: {result.detail}. "
            f"See `codemonkeys doctor`, then: codemonkeys resume {self.journal.name}"
        )

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

    def _limit(self, stage: str) -> float | None:
        budget = self.operation.budget
        if budget is None or stage in SELECTING:
            return budget
        return budget * (1 - self.operation.selection_share)

    def _upper_bound(self, request: Request, model: Model) -> float:
        price = model.price
        if price is None or price == Price():
            return 0.0
        counted = sum(self._count(model, message) + MESSAGE_TOKENS for message in request.messages)
        dearest = max(price.prompt, price.cache_write, price.cache_read)
        return counted * TOKEN_MARGIN * dearest + request.max_tokens * price.completion

    def _count(self, model: Model, message: Message) -> int:
        digest = hashlib.sha256(message.content.encode("utf-8", "replace")).hexdigest()
        if digest not in self._tokens:
            self._tokens[digest] = model.count_tokens(message.content)
        return self._tokens[digest]


def redacted(result: Execution) -> Execution:
    """An execution without the values of secrets in its texts; what only looks like one may be code, and stays."""
    return replace(result, output=redact_values(result.output), detail=redact_values(result.detail))

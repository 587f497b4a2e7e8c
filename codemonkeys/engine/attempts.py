"""The attempts of one model call on the bill: each that may have been charged is booked before another goes out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from codemonkeys.engine.bounds import Size, UpperBounds
from codemonkeys.engine.budget import Budget
from codemonkeys.engine.in_flight import InFlight
from codemonkeys.errors import BudgetReached
from codemonkeys.journal.batches import WAITING
from codemonkeys.journal.settlement import Settlement
from codemonkeys.journal.store import Journal
from codemonkeys.models.base import Completion, Model, Request, Usage
from codemonkeys.models.batch_prices import batch_cost
from codemonkeys.models.batching import BatchFactors
from codemonkeys.models.price import cost_of
from codemonkeys.redact import redact


class Attempts:
    """What one call has reserved, and a step of the journal for each of its attempts that may have been charged."""

    def __init__(
        self,
        journal: Journal,
        budget: Budget,
        in_flight: InFlight,
        request: Request,
        model: Model,
        bounds: UpperBounds,
        batch: BatchFactors | None = None,
    ) -> None:
        """`batch`: prices of a batch, where the call waits for one."""
        self._journal, self._budget, self._in_flight = journal, budget, in_flight
        self._request, self._model, self._bounds = request, model, bounds
        self._size, self._batch = Size(1, 1), batch
        self._is_reserved = False
        self.step: int | None = None
        """The step of the latest attempt; None before the first."""

    @property
    def model(self) -> str:
        """The name of the model."""
        return self._model.name

    async def measure(self) -> int:
        """Measure the prompt, from which bounds follow; returns its tokens as we count them."""
        self._size = await self._bounds.measure(self._request, self._model)
        return self._size.tokens

    async def wait_for_room(self, lack: Callable[[], None] = lambda: None) -> None:
        """Wait while only what others have reserved stands in the way of another attempt; `lack` is told before that.

        Raises what keeps any step from beginning.
        """
        while True:
            change = self._budget.change
            self._in_flight.check()
            if self._budget.fits(self._request.key, self.bound) or not self._budget.may_change:
                return
            lack()
            await change.wait()

    @property
    def bound(self) -> float:
        """The most that another attempt can cost, given what is known of the model's provider, in US dollars."""
        bound = self._bounds.of(self._request, self._model, self._size)
        return bound if self._batch is None else bound * max(self._batch)

    async def begin(self) -> None:
        """Reserve the cost of an attempt, and record that it goes out. Raises BudgetReached."""
        calls, key = self._journal.calls, self._request.key

        def reserve() -> int:
            waits = None if self._batch is None else WAITING
            step = calls.begin(self._request, self._model.name, self.bound, *self._budget.limits(key), waits)
            if not self._is_reserved:  # A shared transaction may be repeated.
                self._is_reserved = True
                self._budget.reserved(key)
            return step

        self.step = await self._journal.group_commit(reserve)

    def take_over(self, step: int) -> None:
        """Go on with an attempt that an earlier session began, whose cost is reserved."""
        self.step, self._is_reserved = step, True
        self._budget.reserved(self._request.key)

    async def book(self, reason: str, usage: Usage | None = None, lack: Callable[[], None] = lambda: None) -> None:
        """Book an attempt that failed and may have been charged, and begin another; see `wait_for_room` for `lack`.

        Raises BudgetReached.
        """
        await self.fail(reason, charged=True, usage=usage)
        self.settle()
        while True:
            await self.wait_for_room(lack)
            change = self._budget.change
            try:
                return await self.begin()
            except BudgetReached:
                if not (self._budget.may_change or change.is_set()):  # Others may have settled in the same commit.
                    raise

    async def fail(
        self, reason: str, charged: bool, usage: Usage | None = None, finish_reason: str | None = None
    ) -> None:
        """Record that the latest attempt failed; see `StoredCalls.fail`."""
        bill = self._settlement(usage)
        await self._store(
            lambda step: self._journal.calls.fail(step, redact(reason), charged, usage, finish_reason, bill)
        )

    async def finish(self, answer: Completion) -> None:
        """Store the answer."""
        bill = self._settlement(answer.usage)
        await self._store(lambda step: self._journal.calls.finish(step, answer, bill))

    def _settlement(self, usage: Usage | None) -> Settlement:
        """What an attempt that ends now has cost."""
        counted = self._size.tokens if self._model.price else None
        cost = cost_of(self._model.price, usage, datetime.now(UTC))
        if self._batch is not None and cost is not None and usage is not None and self._model.price is not None:
            cost = batch_cost(self._model.price, usage, datetime.now(UTC), self._batch)
        return Settlement(cost, counted, lambda: self.bound)

    async def _store(self, change: Callable[[int], None]) -> None:
        step = self.step
        assert step is not None
        await self._journal.group_commit(lambda: change(step))

    def settle(self) -> None:
        """Tell the budget that nothing more is reserved; calling twice is allowed."""
        if self._is_reserved:
            self._is_reserved = False
            self._budget.settled(self._request.key)

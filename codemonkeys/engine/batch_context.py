"""What the batches of one model share: their settings, how they wait, and what they say."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

from codemonkeys.engine.batch import LeftInBatch
from codemonkeys.engine.events import note
from codemonkeys.engine.step_context import StepContext
from codemonkeys.errors import AccessRefused
from codemonkeys.journal.batches import StoredBatch
from codemonkeys.models.batch_http import BatchFailure
from codemonkeys.models.batching import BatchFactors, Batching
from codemonkeys.settings import BatchSettings
from codemonkeys.wording import resume

T = TypeVar("T")

NAP = 0.5
"""Seconds after which a wait looks whether the run is being stopped."""
SLOWER, LONGEST = 1.5, 600.0
"""Factor by which the time between two polls grows, and its bound in seconds."""


class BatchContext:
    """The model of batches, and the session that they belong to."""

    def __init__(self, context: StepContext, model: Batching, settings: BatchSettings) -> None:
        self.model, self.settings = model, settings
        self.batches, self.in_flight = context.journal.batches, context.in_flight
        self.name, self.run = model.name, context.journal.name
        self.factors = model.batch_factors or BatchFactors(1.0, 1.0)
        self._journal, self._notify = context.journal, context.notify

    async def commit(self, change: Callable[[], T]) -> T:
        """Make a change of the journal, durable on return."""
        return await self._journal.group_commit(change)

    def waits(self, most: int | None = None) -> Iterator[float]:
        """Seconds between polls; without end unless `most` is given."""
        wait, number = self.settings.poll_seconds, 0
        while most is None or number < most:
            yield wait
            wait, number = min(LONGEST, wait * SLOWER), number + 1

    async def sleep(self, seconds: float, stored: StoredBatch | None = None) -> None:
        """Wait. Raises LeftInBatch as soon as the run is being stopped; `stored`: what is then left at the provider."""
        until = time.monotonic() + seconds
        while True:
            if self.in_flight.ends:
                self._say_left(stored)
                raise LeftInBatch(f"stopped; {resume(self.run)}")
            left = until - time.monotonic()
            if left <= 0:
                return
            await asyncio.sleep(min(NAP, left))

    def _say_left(self, stored: StoredBatch | None) -> None:
        known = stored and self.batches.of_number(stored.number)
        if known and known.provider_id:
            self.say(
                f"{known.calls} calls to {self.name} stay in batch {known.provider_id}, which the provider carries "
                f"on with. To collect its answers, {resume(self.run)}; to end it early, cancel it "
                "with the provider: what it has not answered by then is not charged"
            )

    def check_access(self, failure: BatchFailure, stored: StoredBatch) -> None:
        """Raise LeftInBatch, and stop the run, if the provider refuses the key with which a batch was submitted."""
        if failure.status in (401, 402, 403):
            message = f"{self.name}: {failure}. The batch {stored.provider_id or stored.tag} stays: correct the key"
            self.in_flight.refused = AccessRefused(message)
            raise LeftInBatch(f"stopped; {resume(self.run)}")

    def say(self, text: str) -> None:
        """Tell the user."""
        self._notify(note(text))

"""The retry layer: transient failures are retried with backoff; Retry-After holds back every call to that model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NoReturn, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from codemonkeys.errors import RetriesExhausted
from codemonkeys.models.base import Book, Usage, book_nothing

T = TypeVar("T")


class Passing(Exception):
    """A transient error: a retry may succeed."""

    def __init__(
        self,
        message: str,
        wait: float = 0.0,
        too_many: bool = False,
        status: str = "none",
        charged: bool = True,
        usage: Usage | None = None,
    ) -> None:
        """`wait`: minimum delay requested by the provider, in seconds. `too_many`: it reported too many requests.

        `status`: the HTTP status, or the kind of error if there was no response. `charged`: whether the provider may
        have charged for the attempt. `usage`: what it counted, if it said so.
        """
        super().__init__(message)
        self.wait = wait
        self.too_many = too_many
        self.status = status
        self.charged = charged
        self.usage = usage


@dataclass(frozen=True)
class Patience:
    """Retry policy of one call."""

    attempts: int = 8
    """Maximum attempts per call."""
    seconds: float = 3600.0
    """Maximum total time per call, waits included: no wait starts that would exceed it."""
    backoff: float = 1.0
    """Maximum delay before the second attempt, in seconds; doubled for each further one, with full jitter."""
    longest_backoff: float = 60.0
    """Cap on the doubling, in seconds. A delay requested by the provider may be longer."""


class Retry:
    """Retries the calls of one model. If the provider asks one call to wait, all of them wait."""

    def __init__(
        self,
        patience: Patience,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._patience = patience
        self._clock = clock
        self._sleep = sleep
        self._not_before = clock()
        self._backoff = wait_random_exponential(patience.backoff, patience.longest_backoff)

    async def run(self, attempt: Callable[[], Awaitable[T]], what: str, book: Book = book_nothing) -> tuple[T, int]:
        """The result of the first successful attempt, and the number of attempts made.

        `attempt` raises Passing to be retried; any other exception is final. `book` is awaited before the next attempt
        if the last one may have been charged. Raises RetriesExhausted, and what `book` raises.
        """
        deadline = self._clock() + self._patience.seconds

        def stop(state: RetryCallState) -> bool:
            is_last = state.attempt_number >= self._patience.attempts
            return is_last or self._clock() + state.upcoming_sleep > deadline

        call = [attempt]
        """Emptied at the end: tenacity's objects refer to each other and to `once`, until Python looks for garbage."""
        made = 0
        first: Passing | None = None
        charged: Passing | None = None
        """The last attempt, if it may have been charged and is not booked."""

        async def once() -> T:
            nonlocal made, first, charged
            if first is not None:
                failed, first = first, None
                raise failed
            await self._wait_with_the_others(deadline, what, charged)
            if charged is not None:
                await book(str(charged), charged.usage)
            made += 1
            try:
                return await call[0]()
            except Passing as failure:
                charged = failure if failure.charged else None
                raise

        try:
            # Fast path: nearly every call succeeds on the first attempt.
            return await once(), made
        except Passing as failure:
            first = bare(failure)
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Passing),
            stop=stop,
            wait=self._wait,
            sleep=self._sleep,
            retry_error_callback=lambda state: self._give_up(state, what),
        )
        try:
            return await retrying(once), made
        finally:
            call.clear()

    def _wait(self, state: RetryCallState) -> float:
        failure = failure_of(state)
        self._not_before = max(self._not_before, self._clock() + failure.wait)
        return max(self._backoff(state), failure.wait)

    async def _wait_with_the_others(self, deadline: float, what: str, charged: Passing | None) -> None:
        while (ahead := self._not_before - self._clock()) > 0:
            if self._not_before > deadline:
                message = f"{what}: the provider asks to wait {ahead:.0f} s more; resume the run later"
                raise RetriesExhausted(message, charged is not None, usage=charged and charged.usage)
            await self._sleep(ahead)

    def _give_up(self, state: RetryCallState, what: str) -> NoReturn:
        failure = failure_of(state)
        asked = f", and the provider asks to wait {failure.wait:.0f} s" if failure.wait else ""
        count = f"{state.attempt_number} attempt" + "s" * (state.attempt_number > 1)
        message = f"{what}: {count} failed{asked}; the last: {failure}. Resume the run later"
        raise RetriesExhausted(message, failure.charged, usage=failure.usage) from None


def failure_of(state: RetryCallState) -> Passing:
    """The failure of the attempt just made."""
    failure = state.outcome.exception() if state.outcome else None
    assert isinstance(failure, Passing)
    return bare(failure)


def bare(failure: Passing) -> Passing:
    """A failure without what it came from, whose frames hold the request until Python looks for garbage."""
    failure.__context__ = None
    return failure.with_traceback(None)


def retry_after(value: str | None, sent: str | None = None) -> float:
    """Delay in seconds from a Retry-After header, which is a number or an HTTP date; 0 if it is invalid.

    `sent`: the Date header of the same response, the reference for a date: the local clock may be wrong, or jump.
    """
    if not value:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            moment = moment_of(value)
        except ValueError:
            return 0.0
        try:
            since = moment_of(sent) if sent else datetime.now(UTC)
        except ValueError:
            since = datetime.now(UTC)
        seconds = (moment - since).total_seconds()
    return seconds if 0 < seconds < float("inf") else 0.0


def moment_of(date: str) -> datetime:
    """Parse an HTTP date; raises ValueError."""
    moment = parsedate_to_datetime(date)
    return moment.replace(tzinfo=moment.tzinfo or UTC)

"""The tokens of a call, and what they cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from codemonkeys.models.billing import hour_tokens, reported_cost, service_tier, surcharges

FAST = "fast"
"""Anthropic's name for answers at a higher speed and price, which a request has to ask for."""
UNDECIDED = (None, "auto")
"""Service tiers of requests that leave the choice to the provider, or to the settings of the account there."""


@dataclass(frozen=True)
class Usage:
    """Tokens of one call, as the provider counted them."""

    prompt_tokens: int = 0
    """All input tokens: uncached + cache_read + cache_write."""
    completion_tokens: int = 0
    """All output tokens, reasoning included, wherever the provider counts it."""
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The provider's own record, verbatim."""
    reasoning_tokens: int = 0
    """Those of the completion that no answer shows."""


@dataclass(frozen=True)
class OffPeak:
    """Prices that hold at certain times of the week."""

    windows: tuple[tuple[frozenset[int] | None, int, int], ...]
    """(weekdays from 1 for Monday, or None for all; from and to which minute of the day in UTC). A window may pass
    midnight; one that ends where it begins is a whole day."""
    rates: tuple[tuple[str, float], ...]
    """Fields of Price, in US dollars per token; those that are not named stay."""
    calendar: str = "UTC"
    """Time zone whose weekdays count."""

    def covers(self, moment: datetime) -> bool:
        """Whether an answer at that moment costs these prices."""
        utc = moment.astimezone(UTC)
        minute, weekday = utc.hour * 60 + utc.minute, moment.astimezone(ZoneInfo(self.calendar)).isoweekday()
        return any(
            (days is None or weekday in days)
            and (start <= minute < end if start < end else minute >= start or minute < end)
            for days, start, end in self.windows
        )

    def applied(self, price: Price) -> Price:
        """A price with these rates in it, whatever the length of the prompt."""
        return replace(price, **dict(self.rates))  # type: ignore[arg-type]


@dataclass(frozen=True)
class Price:
    """US dollars per token."""

    prompt: float = 0.0
    completion: float = 0.0
    cache_read: float = 0.0
    cache_write: float = 0.0
    tiers: tuple[tuple[int, Price], ...] = ()
    """(threshold, price): price of the whole call once its prompt exceeds the threshold, in tokens; ascending."""
    reasoning: float | None = None
    """None: as the rest of the completion."""
    cache_write_hour: float | None = None
    """Of tokens that the cache keeps for an hour; None: as any others."""
    services: tuple[tuple[str, Price], ...] = ()
    """Prices by service tier, where they are other ones."""
    off_peak: OffPeak | None = None
    factors: tuple[tuple[str, float], ...] = ()
    """What the price of a call is multiplied by, by name of a region or speed."""

    def of(self, prompt_tokens: int) -> Price:
        """Price of a call whose prompt has this number of tokens."""
        return next((price for above, price in reversed(self.tiers) if prompt_tokens > above), self)

    def cost(self, usage: Usage, ended: datetime | None = None) -> float:
        """Cost of a call in US dollars: what the provider says it charged, else by its tokens.

        `ended`: when it answered, for prices that depend on the time; without it the call was made at peak time.
        """
        told = reported_cost(usage.raw)
        return self.by_tokens(usage, ended) if told is None else told

    def by_tokens(self, usage: Usage, ended: datetime | None = None) -> float:
        """Cost of a call in US dollars, by the price list."""
        price = dict(self.services).get(service_tier(usage.raw) or "", self).of(usage.prompt_tokens)
        if self.off_peak is not None and ended is not None and self.off_peak.covers(ended):
            price = self.off_peak.applied(price)
        plain = max(0, usage.prompt_tokens - usage.cache_read_tokens - usage.cache_write_tokens)
        hour = min(hour_tokens(usage.raw), usage.cache_write_tokens) if usage.cache_write_tokens else 0
        reasoning = min(usage.reasoning_tokens, usage.completion_tokens)
        cost = (
            plain * price.prompt
            + usage.cache_read_tokens * price.cache_read
            + (usage.cache_write_tokens - hour) * price.cache_write
            + hour * price.dearest_write
            + (usage.completion_tokens - reasoning) * price.completion
            + reasoning * (price.completion if price.reasoning is None else price.reasoning)
        )
        factors = dict(self.factors)
        for name in surcharges(usage.raw):
            cost *= factors.get(name, 1.0)
        return cost

    @property
    def dearest_write(self) -> float:
        """Price of a token that the cache keeps for an hour."""
        return self.cache_write if self.cache_write_hour is None else self.cache_write_hour

    def at_most(
        self,
        prompt_tokens: float,
        completion_tokens: float,
        service: str | None = "default",
        caches: bool = True,
        fast: bool = False,
    ) -> float:
        """Upper bound of the cost of a call with at most these tokens, in US dollars.

        `service`: the service tier that is asked for; with None or `auto` it may be any. `caches`: whether parts of the
        prompt may be written to a cache for an hour. `fast`: whether a higher speed is asked for.
        """
        dearest = max(
            prompt_tokens * max(price.prompt, price.cache_read, price.dearest_write if caches else price.cache_write)
            + completion_tokens * max(price.completion, price.reasoning or 0.0)
            for price in self._may_apply(prompt_tokens, service)
        )
        speed = max(1.0, dict(self.factors).get(FAST, 1.0)) if fast else 1.0
        return dearest * speed * max([1.0, *(factor for name, factor in self.factors if name != FAST)])

    def _may_apply(self, prompt_tokens: float, service: str | None) -> Iterator[Price]:
        named = service if service is None else service_tier({"service_tier": service})
        for base in [self, *(price for name, price in self.services if service in UNDECIDED or name == named)]:
            for price in [base, *(price for above, price in base.tiers if prompt_tokens > above)]:
                yield price
                if self.off_peak is not None:
                    yield self.off_peak.applied(price)


def cost_of(price: Price | None, usage: Usage | None, ended: datetime) -> float | None:
    """Cost of an answer in US dollars; None if nobody knows it."""
    if usage is None:
        return None
    return reported_cost(usage.raw) if price is None else price.cost(usage, ended)

"""What a plan knows of the models of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from codemonkeys.models.base import Price, Usage
from codemonkeys.models.counting import CAUTIOUS_RATIO, UNKNOWN, Counting
from codemonkeys.models.parameters import DEFAULT_PARAMETERS, Parameters
from codemonkeys.stages import STAGES


@dataclass(frozen=True)
class PlannedModel:
    """A model that is not opened."""

    price: Price | None
    """None if unknown."""
    counting: Counting = UNKNOWN
    parameters: Parameters = DEFAULT_PARAMETERS

    def at_most(self, prompt_tokens: float, completion_tokens: float) -> float | None:
        """Upper bound of a call's cost in US dollars, for tokens as we count them."""
        if self.price is None:
            return None
        ratio = CAUTIOUS_RATIO if self.counting.ratio is None else self.counting.ratio
        beside = (self.parameters.thinking_tokens or completion_tokens) if self.counting.beside else 0
        service, prompt = self.parameters.service_tier, prompt_tokens * ratio + self.counting.added
        return self.price.at_most(prompt, completion_tokens + beside, service or "default")


@dataclass(frozen=True)
class PlannedModels:
    """The models of a run, by the role that each plays."""

    primary: PlannedModel
    scan: PlannedModel
    writers: tuple[PlannedModel, ...] = ()
    """Take turns by sample; the primary model if empty."""
    judge: PlannedModel | None = None
    """The primary model if None."""

    @property
    def are_priced(self) -> bool:
        """Whether the price of each is known."""
        each = (self.primary, self.scan, *self.writers, self.judge or self.primary)
        return all(model.price is not None for model in each)

    def of(self, stage: str) -> tuple[PlannedModel, ...]:
        """Those that answer in a stage, each as often as any other."""
        role: str | None = STAGES[stage].role
        if role == "scan":
            return (self.scan,)
        if role == "writer":
            return self.writers or (self.primary,)
        return (self.judge or self.primary,) if role == "judge" else (self.primary,)

    def most(self, stage: str, calls: Sequence[tuple[float, float]]) -> float | None:
        """Upper bound of calls by the dearest model of a stage; None if unknown. `calls`: tokens as in `at_most`."""
        bounds = [[model.at_most(*call) for call in calls] for model in self.of(stage)]
        known = [sum(bound for bound in bounds if bound is not None) for bounds in bounds if None not in bounds]
        return max(known) if len(known) == len(bounds) else None

    def expected(self, stage: str, calls: float, usage: Usage) -> float | None:
        """Expected cost of calls with so many tokens in all, shared among the models of a stage; None if unknown."""
        prices = [model.price for model in self.of(stage)]
        # Prices may depend on prompt length: every call is priced at the mean length.
        length = round(usage.prompt_tokens / max(calls, 1))
        costs = [replace(price.of(length), tiers=()).cost(usage) for price in prices if price is not None]
        return fmean(costs) if len(costs) == len(prices) else None

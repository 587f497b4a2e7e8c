"""What calls cost in a batch, relative to single ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from codemonkeys.models.batching import BatchFactors
from codemonkeys.models.billing import reported_cost
from codemonkeys.models.price import Price, Usage
from codemonkeys.models.prices import entry_of

WITH_BATCHES = ("openai", "anthropic")
"""Providers whose batch APIs we speak."""
USUAL = 0.5
"""What both charge in a batch, where a price list does not say."""


def batch_cost(price: Price, usage: Usage, ended: datetime, factors: BatchFactors) -> float:
    """Cost of a call in a batch, in US dollars: what the provider says it charged, else by its tokens."""
    if (told := reported_cost(usage.raw)) is not None:
        return told
    prompt = price.by_tokens(replace(usage, completion_tokens=0, reasoning_tokens=0), ended)
    return prompt * factors.prompt + (price.by_tokens(usage, ended) - prompt) * factors.completion


def batch_factors(model: str, registry: Path | None = None) -> BatchFactors:
    """By the price list that also tells the price of single calls; see `price_of`. Raises BadSettings."""
    entry = entry_of(model, registry) or {}

    def factor(name: str) -> float:
        single, batch = entry.get(name), entry.get(f"{name}_batches")
        return float(batch / single) if single and batch is not None else USUAL

    return BatchFactors(factor("input_cost_per_token"), factor("output_cost_per_token"))

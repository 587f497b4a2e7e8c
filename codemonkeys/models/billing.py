"""What the record of an answer says about its price, beside the number of tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

TICKS_PER_DOLLAR = 10**10
"""xAI reports what a call cost in these."""


def with_service_tier(record: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The usage record of an answer, with the service tier that OpenAI tells beside it."""
    usage = record.get("usage")
    if not isinstance(usage, Mapping) or usage.get("service_tier") or not record.get("service_tier"):
        return usage
    return {**usage, "service_tier": record["service_tier"]}


def reported_cost(usage: Mapping[str, Any]) -> float | None:
    """US dollars that a provider or gateway says it charged; None if it says nothing.

    With a key of the user's own behind OpenRouter, both are paid: OpenRouter's fee and the provider behind it. A bare 0
    says nothing either: gateways also send it for models whose price they do not know.
    """
    cost = usage.get("cost")
    if isinstance(cost, Mapping):
        cost = cost.get("total_cost")
    ticks = number(usage.get("cost_in_usd_ticks"))
    told = number(cost) if ticks is None else ticks / TICKS_PER_DOLLAR
    if told is None:
        return None
    details = usage.get("cost_details")
    upstream = number(details.get("upstream_inference_cost")) if isinstance(details, Mapping) else None
    if usage.get("is_byok") is True:
        # Without the other half of the bill, what the answer cost is not known.
        return None if upstream is None else told + upstream
    return told if told > 0 or isinstance(details, Mapping) else None


def service_tier(usage: Mapping[str, Any]) -> str | None:
    """The service tier that answered, in the price list's words."""
    tier = usage.get("service_tier")
    if not isinstance(tier, str):
        return None
    return {"fast": "priority", "batch": "batches"}.get(tier.lower(), tier.lower())


def surcharges(usage: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of what multiplies the price of a whole call: where Anthropic computed it, and at which speed."""
    return tuple(name.lower() for name in (usage.get("inference_geo"), usage.get("speed")) if isinstance(name, str))


def hour_tokens(usage: Mapping[str, Any]) -> int:
    """Tokens written to the cache for an hour."""
    details = usage.get("prompt_tokens_details")
    places = (
        usage.get("cache_creation"),
        usage.get("cache_creation_token_details"),
        details.get("cache_creation_token_details") if isinstance(details, Mapping) else None,
    )
    counts = (number(place.get("ephemeral_1h_input_tokens")) for place in places if isinstance(place, Mapping))
    return round(max((count for count in counts if count is not None), default=0))


def number(value: object) -> float | None:
    """A number of 0 or more; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return float(value)

"""Reads token counts from usage records of providers, as they send them or as litellm returns them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codemonkeys.models.base import Usage


def read_usage(raw: Mapping[str, Any] | None) -> Usage | None:
    """Normalise a usage record; None if it has no counts.

    litellm adds Anthropic's separate cache counts to `prompt_tokens`; other endpoints may not, which shows when the
    cache counts exceed the prompt, or the total holds them besides. Reasoning may be counted inside `completion_tokens`
    (OpenAI) or beside (xAI, and without a word Gemini's OpenAI interface): then the total is more than both counts.
    """
    if not isinstance(raw, Mapping):
        return None
    prompt, completion, total = (count(raw, f"{part}_tokens") for part in ("prompt", "completion", "total"))
    if not (prompt or completion):
        return None
    details, written = raw.get("prompt_tokens_details"), raw.get("completion_tokens_details")
    cache_read = first(count(raw, "cache_read_input_tokens"), count(details, "cached_tokens"))
    cache_write = first(
        count(raw, "cache_creation_input_tokens"),
        count(details, "cache_creation_tokens"),
        count(details, "cache_write_tokens"),
    )
    reasoning = first(count(written, "reasoning_tokens"), count(raw, "reasoning_tokens"))
    cached, beside = cache_read + cache_write, total - prompt - completion
    if cached > prompt or (cached and beside in {cached, cached + reasoning} and beside != reasoning):
        prompt += cached
    completion = max(completion, total - prompt)
    if reasoning > completion:
        completion += reasoning
    return Usage(prompt, completion, cache_read, cache_write, dict(raw), min(reasoning, completion))


def counts_nothing(raw: object) -> bool:
    """Whether a record says that no token was read or written: the provider did no work on the request."""
    told = [name for name in ("prompt_tokens", "completion_tokens") if isinstance(raw, Mapping) and name in raw]
    return len(told) == 2 and read_usage(raw if isinstance(raw, Mapping) else None) is None


def count(record: object, name: str) -> int:
    """A count in a record; 0 unless it is a number above 0."""
    if not isinstance(record, Mapping):
        return 0
    value: Any = record.get(name)
    # In Python a bool is an int, but it is no count.
    return int(value) if type(value) in (int, float) and 0 < value < 2**63 else 0


def first(*counts: int) -> int:
    """The first count above 0."""
    return next((number for number in counts if number), 0)

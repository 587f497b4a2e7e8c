"""Reads token counts from usage records of providers, as litellm returns them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codemonkeys.models.base import Usage


def read_usage(raw: Mapping[str, Any] | None) -> Usage | None:
    """Normalise a usage record; None if it has no counts.

    litellm adds Anthropic's separate cache counts to `prompt_tokens`; other endpoints may not, which shows when the
    cache counts exceed the prompt.
    """
    if not raw or not (raw.get("prompt_tokens") or raw.get("completion_tokens")):
        return None
    prompt, completion = raw.get("prompt_tokens") or 0, raw.get("completion_tokens") or 0
    details = raw.get("prompt_tokens_details") or {}
    cache_read = first(raw.get("cache_read_input_tokens"), details.get("cached_tokens"))
    cache_write = first(
        raw.get("cache_creation_input_tokens"), details.get("cache_creation_tokens"), details.get("cache_write_tokens")
    )
    if cache_read + cache_write > prompt:
        prompt += cache_read + cache_write
    reasoning = first((raw.get("completion_tokens_details") or {}).get("reasoning_tokens"))
    if reasoning > completion:
        completion += reasoning
    return Usage(prompt, completion, cache_read, cache_write, dict(raw))


def first(*counts: int | None) -> int:
    """The first count above 0."""
    return next((count for count in counts if count), 0)

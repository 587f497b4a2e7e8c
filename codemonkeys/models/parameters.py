"""What a model is asked to do besides the messages: how long to think, how to sample, by which interface."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Literal

Api = Literal["chat", "responses"]


@dataclass(frozen=True)
class Parameters:
    """Parameters of a model's calls that shape its answers; None leaves one to the provider, or to the stage."""

    effort: str | None = None
    """How hard a reasoning model thinks, such as `low` or `high`, as the provider names it."""
    thinking_tokens: int | None = None
    """Most tokens to think with."""
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    """Most tokens of an answer, thinking included; by default what the stage asks for, and `thinking_tokens` on top."""
    service_tier: str | None = None
    api: Api = "chat"
    """Chat completions, or OpenAI's Responses API."""
    extra_body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """Further fields of the request's body."""
    extra_headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def __hash__(self) -> int:
        return hash(repr(self.given()))

    def longest_answer(self, tokens: int) -> int:
        """Most tokens of an answer, thinking included, where a stage asks for `tokens`."""
        return tokens + (self.thinking_tokens or 0) if self.max_tokens is None else self.max_tokens

    def given(self) -> dict[str, Any]:
        """Those that differ from the defaults, by name: what belongs to a step's hash."""
        return dict(self._given)

    @cached_property
    def _given(self) -> Mapping[str, Any]:
        """Asked for several times in every call."""
        return {
            each.name: dict(value) if isinstance(value, Mapping) else value
            for each in fields(self)
            for value in [getattr(self, each.name)]
            if value not in (None, {}) and not (each.name == "api" and value == "chat")
        }


DEFAULT_PARAMETERS = Parameters()

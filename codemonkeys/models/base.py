"""What the rest of the system knows about language models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol, runtime_checkable

from codemonkeys.keys import StepKey


@dataclass(frozen=True)
class Message:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, under which a journal stores it."""
        return hashlib.sha256(self.content.encode("utf-8", "replace")).hexdigest()


@dataclass(frozen=True)
class Request:
    """One model call, complete."""

    key: StepKey
    messages: tuple[Message, ...]
    temperature: float = 0.0
    max_tokens: int = 8192
    """Upper bound of the completion, in tokens."""
    cache: bool = False
    """Set prompt-cache breakpoints on the system message and the last two user messages, where the model has them."""
    _hashes: dict[str, str] = field(default_factory=dict[str, str], init=False, repr=False, compare=False)

    def hash(self, model: str) -> str:
        """SHA-256 of all that decides the answer: model, messages, temperature, max_tokens."""
        if model not in self._hashes:
            content = [model, [(m.role, m.content) for m in self.messages], self.temperature, self.max_tokens]
            self._hashes[model] = hashlib.sha256(json.dumps(content, ensure_ascii=True).encode()).hexdigest()
        return self._hashes[model]


@dataclass(frozen=True)
class Usage:
    """Tokens of one call, as the provider counted them."""

    prompt_tokens: int = 0
    """All input tokens: uncached + cache_read + cache_write."""
    completion_tokens: int = 0
    """All output tokens, reasoning included."""
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    raw: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The provider's own record, kept as it came."""


@dataclass(frozen=True)
class Price:
    """US dollars per token."""

    prompt: float = 0.0
    completion: float = 0.0
    cache_read: float = 0.0
    cache_write: float = 0.0
    tiers: tuple[tuple[int, Price], ...] = ()
    """(tokens, price): what all tokens of a call cost whose prompt is longer than so many, in rising order."""

    def of(self, prompt_tokens: int) -> Price:
        """The price of a call with a prompt of so many tokens."""
        return next((price for above, price in reversed(self.tiers) if prompt_tokens > above), self)

    def cost(self, usage: Usage) -> float:
        """What a call cost, in US dollars."""
        plain = max(0, usage.prompt_tokens - usage.cache_read_tokens - usage.cache_write_tokens)
        price = self.of(usage.prompt_tokens)
        return (
            plain * price.prompt
            + usage.cache_read_tokens * price.cache_read
            + usage.cache_write_tokens * price.cache_write
            + usage.completion_tokens * price.completion
        )

    def at_most(self, prompt_tokens: float, completion_tokens: int) -> float:
        """The most that a call of at most so many tokens can cost, in US dollars."""
        reached = [self, *(price for above, price in self.tiers if prompt_tokens > above)]
        return max(
            prompt_tokens * max(price.prompt, price.cache_write, price.cache_read)
            + completion_tokens * price.completion
            for price in reached
        )


@dataclass(frozen=True)
class Completion:
    """A model's answer."""

    text: str
    finish_reason: str
    """`stop`, or `length` when the answer was cut at max_tokens."""
    usage: Usage | None
    """None when the provider told nothing: the call is then booked at its upper bound."""
    model: str
    """The model that answered, as the provider names it."""
    seconds: float = 0.0
    """Latency of the attempt that succeeded."""
    attempts: int = 1
    """Attempts it took, retries included."""


@runtime_checkable
class Model(Protocol):
    """A language model. Safe to await many times at once."""

    name: str
    price: Price | None
    """None when it is not known what a call costs."""

    def count_tokens(self, text: str) -> int:
        """Tokens of a text: an estimate that is fit for packing and for upper bounds with a margin."""
        ...

    async def complete(self, request: Request) -> Completion:
        """Answer one request, retries included.

        Raises ModelError: MissingKey, RejectedRequest, RetriesExhausted, NoAnswer, FilteredAnswer, MissingRecording.
        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


@runtime_checkable
class Remarking(Protocol):
    """A model that has something to tell the user at the end of a session."""

    def remarks(self) -> list[str]:
        """Sentences for the user; empty if all was as expected."""
        ...

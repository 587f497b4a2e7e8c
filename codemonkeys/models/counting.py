"""How many tokens a provider may count where we count one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

KNOWN_RATIO = 1.25
"""Of a tokeniser that is ours or its successor."""
CAUTIOUS_RATIO = 2.3
"""Of any other one: above what has been seen of source code and prose."""
ADDED_TOKENS = 256
"""What a provider may add to a prompt, whatever its length: a system message or a template of its own."""
WITHIN = frozenset(
    {"anthropic", "azure", "bedrock", "deepseek", "gemini", "groq", "mistral", "openai", "openrouter", "vertex_ai"}
)
"""Providers whose limit of an answer's length includes the reasoning."""


@dataclass(frozen=True)
class Counting:
    """How a provider counts, as far as that is known before it has answered."""

    ratio: float | None = None
    """Tokens of a prompt for each of ours, at most; None if its tokeniser is not known."""
    beside: bool = True
    """Whether reasoning may come on top of the limit of an answer's length."""
    added: int = ADDED_TOKENS
    """Tokens of a prompt that none of ours stand for."""

    def given(self, ratio: float | None, beside: bool | None) -> Counting:
        """This, but for what a user knows better."""
        return replace(
            self,
            ratio=self.ratio if ratio is None else ratio,
            beside=self.beside if beside is None else beside,
            added=self.added if ratio is None else 0,
        )


UNKNOWN = Counting()
EXACT = Counting(1.0, beside=False, added=0)
"""A model that counts its own tokens."""


@runtime_checkable
class Counted(Protocol):
    """A model that knows how its provider counts; of others, nothing is known."""

    counting: Counting


def counting_of(name: str, api_base: str | None) -> Counting:
    """How the provider of a litellm model name counts; at an address of the user's own, anything may answer."""
    if api_base is not None:
        return UNKNOWN
    provider = (
        name.partition("/")[0] if "/" in name else "openai" if name.startswith(("gpt-", "o1", "o3", "o4")) else ""
    )
    unknown = Counting(beside=provider not in WITHIN)
    return unknown.given(KNOWN_RATIO, None) if provider in ("openai", "azure") else unknown

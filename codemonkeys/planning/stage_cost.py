"""The estimated cost of a stage, and the upper bound of a conversation."""

from __future__ import annotations

from dataclasses import dataclass

from codemonkeys.engine.bounds import MESSAGE_TOKENS
from codemonkeys.models.base import Usage
from codemonkeys.planning.models import PlannedModels

CONTEXT_SHARE = 74_570 / 128_000
"""Mean fill level of the context."""
FEWER_TOKENS = 1.25
"""A provider may count fewer tokens than we do, so its longest answer may have more of ours."""

TOUCHED = 16_000
"""Tokens of the files that the candidates touch."""
FAILURES = 500
"""Tokens of the line that says what a candidate fails, of a hundred scripts."""
EVIDENCE = 4_000
"""Tokens of the scripts and outputs that tell candidates apart."""


@dataclass(frozen=True)
class StageCost:
    """Estimated cost of a stage, for one or more tasks. Tokens and calls are expected values."""

    calls: float = 0.0
    usage: Usage = Usage()
    expected_usd: float | None = 0.0
    """None if the price is unknown."""
    most_calls: int = 0
    """Upper bound."""
    most_usd: float | None = 0.0
    """Upper bound; None if the price is unknown."""

    def __add__(self, other: StageCost) -> StageCost:
        mine, its = self.usage, other.usage
        usage = Usage(
            mine.prompt_tokens + its.prompt_tokens,
            mine.completion_tokens + its.completion_tokens,
            mine.cache_read_tokens + its.cache_read_tokens,
            mine.cache_write_tokens + its.cache_write_tokens,
        )
        expected = total(self.expected_usd, other.expected_usd)
        most = total(self.most_usd, other.most_usd)
        return StageCost(self.calls + other.calls, usage, expected, self.most_calls + other.most_calls, most)


def total(one: float | None, other: float | None) -> float | None:
    """The sum of two costs; None if one is unknown."""
    return None if one is None or other is None else one + other


def upper_bound(
    models: PlannedModels, stage: str, system: float, first: float, turns: int, answer: int, reply: float
) -> float | None:
    """Upper bound of a conversation's cost: every turn is used, nothing is cached, all messages have maximum length."""
    grown = answer * FEWER_TOKENS + reply + 2 * MESSAGE_TOKENS
    prompts = (system + first + 2 * MESSAGE_TOKENS + turn * grown for turn in range(turns))
    return models.most(stage, [(prompt, answer) for prompt in prompts])


def stage_cost(
    models: PlannedModels, stage: str, calls: float, usage: Usage, most_calls: int, most_usd: float | None
) -> StageCost:
    """The cost of a stage, given its expected calls and tokens, and its upper bounds."""
    expected = models.expected(stage, calls, usage)
    return StageCost(calls, usage, expected, most_calls, None if expected is None else most_usd)

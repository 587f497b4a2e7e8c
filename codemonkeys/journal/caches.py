"""What providers' caches were used for, and what that saved, by stage and model."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from codemonkeys.journal.queries import has_table, rows
from codemonkeys.stages import ASKING

LEAST = 5_000
"""Tokens of a prompt from which on every provider that sells cached tokens caches."""
ENOUGH = 3
"""Calls from which on the absence of any hit says something."""
ALIKE = tuple(stage.name for stage in ASKING if stage.role != "scan")
"""Stages whose prompts of one task begin alike."""


@dataclass(frozen=True)
class CacheUse:
    """How the calls of one stage used the cache of one model's provider."""

    stage: str
    model: str
    hit_rate: float
    """Share of the prompts' tokens that were read from the cache."""
    saved_usd: float | None
    """What the prompts cost less than without a cache: below 0 if writes cost more. None if the price is unknown."""
    expected: int
    """Calls whose prompt is long and begins like one before it."""
    sold: bool
    """Whether cached tokens are cheaper by the price list."""

    @property
    def missed(self) -> bool:
        """Whether hits were to be expected, and there was none."""
        return self.sold and self.expected >= ENOUGH and not self.hit_rate


def cache_use(connection: sqlite3.Connection) -> list[CacheUse]:
    """By stage and model, of the calls that were answered with a count of tokens."""
    if not has_table(connection, "price_tiers"):
        return []
    # Answered by the index `bill` alone, in its order: `+` keeps the planner from another one.
    query = """
        SELECT stage, model, sum(cache_read_tokens) * 1.0 / sum(prompt_tokens) AS hit_rate, sum(saved_usd) AS saved_usd,
               sum(long) - sum(long > 0) AS expected, max(sold) AS sold
        FROM (
            SELECT c.stage, c.model, sum(c.cache_read_tokens) AS cache_read_tokens,
                   sum(c.prompt_tokens) AS prompt_tokens,
                   sum(c.cache_read_tokens * (coalesce(l.prompt, p.prompt) - coalesce(l.cache_read, p.cache_read))
                     - c.cache_write_tokens * (coalesce(l.cache_write, p.cache_write) - coalesce(l.prompt, p.prompt)))
                     AS saved_usd,
                   sum(c.prompt_tokens >= ?) AS long, coalesce(p.cache_read < p.prompt, 0) AS sold
            FROM call_steps c JOIN prices p ON p.model = c.model
            LEFT JOIN price_tiers l ON l.model = c.model
                AND l.above = (SELECT max(above) FROM price_tiers WHERE model = c.model AND above < c.prompt_tokens)
            WHERE +c.state = 'done' AND c.prompt_tokens > 0 GROUP BY c.task, c.stage, c.state, c.model
        ) GROUP BY stage, model
    """
    found = rows(connection, query, LEAST)
    return [
        CacheUse(**{**row, "sold": bool(row["sold"]), "expected": row["expected"] if row["stage"] in ALIKE else 0})
        for row in found
    ]

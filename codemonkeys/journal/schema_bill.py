"""Statements of the migration that keeps what each call cost, and how its provider counts."""

from __future__ import annotations

COSTS = """
ALTER TABLE call_steps ADD COLUMN cost_usd REAL;
ALTER TABLE call_steps ADD COLUMN counted_tokens INTEGER;
UPDATE call_steps SET cost_usd = (SELECT k.cost_usd FROM costs k WHERE k.id = call_steps.id)
WHERE state IN ('done', 'superseded') AND prompt_tokens IS NOT NULL;
CREATE TABLE token_ratios (
    model TEXT PRIMARY KEY REFERENCES prices(model),
    largest REAL NOT NULL
) WITHOUT ROWID;
DROP INDEX bill;
CREATE INDEX bill ON call_steps (
    task, stage, state, model, prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens, reserved_usd,
    cost_usd
);
DROP VIEW costs;
CREATE VIEW costs AS
SELECT c.id, c.task, c.stage, c.state, c.model, c.prompt_tokens, c.completion_tokens, c.cache_read_tokens,
       c.cache_write_tokens,
       CASE WHEN c.cost_usd IS NOT NULL THEN c.cost_usd WHEN p.prompt IS NULL THEN NULL
            WHEN c.prompt_tokens IS NULL THEN c.reserved_usd ELSE
           max(0, c.prompt_tokens - c.cache_read_tokens - c.cache_write_tokens) * coalesce(l.prompt, p.prompt)
           + c.cache_read_tokens * coalesce(l.cache_read, p.cache_read)
           + c.cache_write_tokens * coalesce(l.cache_write, p.cache_write)
           + c.completion_tokens * coalesce(l.completion, p.completion) END AS cost_usd
FROM call_steps c JOIN prices p ON p.model = c.model
LEFT JOIN price_tiers l ON l.model = c.model
    AND l.above = (SELECT max(above) FROM price_tiers WHERE model = c.model AND above < c.prompt_tokens);
"""
"""A cost is computed once, when the call is settled: what an answer cost may depend on the time and on what the
provider said. Calls of older runs keep the cost that they had; those of unknown price get one when a price is known."""

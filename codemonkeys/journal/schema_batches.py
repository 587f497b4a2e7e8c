"""Statements of the migration that adds batches: their table, and the views of costs that know their prices."""

from __future__ import annotations

BATCHES = """
CREATE TABLE batches (
    id INTEGER PRIMARY KEY,
    tag TEXT NOT NULL UNIQUE,
    model TEXT NOT NULL REFERENCES prices(model),
    state TEXT NOT NULL CHECK (state IN ('submitting', 'pending', 'ended', 'withdrawn')),
    provider_id TEXT,
    calls INTEGER NOT NULL,
    prompt_factor REAL NOT NULL,
    completion_factor REAL NOT NULL,
    progress TEXT NOT NULL DEFAULT '',
    submitted_at TEXT NOT NULL,
    ended_at TEXT
);
ALTER TABLE call_steps ADD COLUMN batch INTEGER;
CREATE INDEX calls_in_batches ON call_steps (batch) WHERE batch IS NOT NULL;
DROP INDEX bill;
CREATE INDEX bill ON call_steps (
    task, stage, state, model, prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens, reserved_usd,
    cost_usd, batch
);
DROP VIEW spend_by_stage;
DROP VIEW calls;
DROP VIEW costs;
CREATE VIEW costs AS
SELECT c.id, c.task, c.stage, c.state, c.model, c.prompt_tokens, c.completion_tokens, c.cache_read_tokens,
       c.cache_write_tokens,
       CASE WHEN c.cost_usd IS NOT NULL THEN c.cost_usd WHEN p.prompt IS NULL THEN NULL
            WHEN c.prompt_tokens IS NULL THEN c.reserved_usd ELSE
           (max(0, c.prompt_tokens - c.cache_read_tokens - c.cache_write_tokens) * coalesce(l.prompt, p.prompt)
           + c.cache_read_tokens * coalesce(l.cache_read, p.cache_read)
           + c.cache_write_tokens * coalesce(l.cache_write, p.cache_write)) * coalesce(b.prompt_factor, 1)
           + c.completion_tokens * coalesce(l.completion, p.completion) * coalesce(b.completion_factor, 1)
       END AS cost_usd, c.batch
FROM call_steps c JOIN prices p ON p.model = c.model
LEFT JOIN price_tiers l ON l.model = c.model
    AND l.above = (SELECT max(above) FROM price_tiers WHERE model = c.model AND above < c.prompt_tokens)
LEFT JOIN batches b ON b.id = c.batch;
CREATE VIEW calls AS
SELECT c.id, c.task, c.stage, c.sample, c.turn, c.state, c.model, c.answered_by, c.finish_reason, c.error,
       c.prompt_tokens, c.completion_tokens, c.cache_read_tokens, c.cache_write_tokens, c.attempts, c.seconds,
       c.started_at, c.ended_at, t.plain AS answer, c.answer_hash, k.cost_usd, c.batch
FROM call_steps c JOIN costs k ON k.id = c.id LEFT JOIN texts t ON t.hash = c.answer_hash;
CREATE VIEW spend_by_stage AS
SELECT stage, model, count(*) AS calls, sum(prompt_tokens) AS prompt_tokens,
       sum(completion_tokens) AS completion_tokens, sum(cache_read_tokens) AS cache_read_tokens,
       sum(cache_write_tokens) AS cache_write_tokens, sum(cost_usd) AS cost_usd
FROM costs GROUP BY stage, model;
"""
"""`batch` of a call: 0 while it waits for a batch to be submitted, and certainly is not at the provider."""

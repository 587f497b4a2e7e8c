"""Statements of the migration that adds named choices, and the templates that a run was begun with."""

from __future__ import annotations

CHOICES = """
CREATE TABLE named_choices (
    name TEXT PRIMARY KEY,
    rule TEXT NOT NULL,
    model TEXT,
    settings TEXT NOT NULL,
    version TEXT NOT NULL,
    created_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE choices (
    name TEXT NOT NULL REFERENCES named_choices(name),
    task TEXT NOT NULL REFERENCES tasks(id),
    state TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    candidate INTEGER,
    patch_hash TEXT REFERENCES texts(hash),
    started_at TEXT,
    ended_at TEXT,
    PRIMARY KEY (name, task)
) WITHOUT ROWID;
CREATE TABLE choice_signals (
    name TEXT NOT NULL REFERENCES named_choices(name),
    task TEXT NOT NULL REFERENCES tasks(id),
    kind TEXT NOT NULL,
    number INTEGER NOT NULL,
    value REAL,
    detail TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (name, task, kind, number)
) WITHOUT ROWID;
CREATE TABLE prompts (
    name TEXT PRIMARY KEY,
    text_hash TEXT NOT NULL REFERENCES texts(hash)
) WITHOUT ROWID;
CREATE VIEW spend_by_choice AS
SELECT substr(stage, instr(stage || '@', '@') + 1) AS choice, model, count(*) AS calls,
       sum(prompt_tokens) AS prompt_tokens, sum(completion_tokens) AS completion_tokens,
       sum(cache_read_tokens) AS cache_read_tokens, sum(cache_write_tokens) AS cache_write_tokens,
       sum(cost_usd) AS cost_usd
FROM costs GROUP BY choice, model;
"""
"""Steps of a choice have stages of their own, `judge@NAME`; the run's own choice has the empty name in the bill."""

"""Statements of the first migration: the tables and views that every run has had."""

from __future__ import annotations

INITIAL = """
CREATE TABLE run (
    name TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    created_at TEXT NOT NULL,
    source TEXT NOT NULL,
    settings TEXT NOT NULL
);
CREATE TABLE texts (
    hash TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    plain TEXT,
    compressed BLOB
);
CREATE TABLE tasks (
    id TEXT PRIMARY KEY,
    position INTEGER NOT NULL,
    repo TEXT NOT NULL,
    base_commit TEXT NOT NULL,
    issue_hash TEXT NOT NULL REFERENCES texts(hash),
    state TEXT NOT NULL DEFAULT 'waiting',
    reason TEXT NOT NULL DEFAULT '',
    candidate INTEGER,
    patch_hash TEXT REFERENCES texts(hash),
    started_at TEXT,
    ended_at TEXT
);
CREATE TABLE prices (
    model TEXT PRIMARY KEY,
    prompt REAL,
    completion REAL,
    cache_read REAL,
    cache_write REAL
);
CREATE TABLE call_steps (
    id INTEGER PRIMARY KEY,
    task TEXT NOT NULL REFERENCES tasks(id),
    stage TEXT NOT NULL,
    sample INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('started', 'done', 'failed', 'lost', 'superseded')),
    request_hash TEXT NOT NULL,
    request TEXT NOT NULL,
    model TEXT NOT NULL REFERENCES prices(model),
    answered_by TEXT,
    answer_hash TEXT REFERENCES texts(hash),
    finish_reason TEXT,
    error TEXT,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_tokens INTEGER,
    usage TEXT,
    reserved_usd REAL NOT NULL DEFAULT 0,
    attempts INTEGER,
    seconds REAL,
    started_at TEXT NOT NULL,
    ended_at TEXT
);
CREATE UNIQUE INDEX one_answer_per_step ON call_steps (task, stage, sample, turn) WHERE state = 'done';
CREATE TABLE execution_steps (
    id INTEGER PRIMARY KEY,
    task TEXT NOT NULL REFERENCES tasks(id),
    stage TEXT NOT NULL,
    sample INTEGER NOT NULL,
    turn INTEGER NOT NULL,
    part TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('done', 'failed', 'superseded')),
    request_hash TEXT NOT NULL,
    environment TEXT NOT NULL,
    script_hash TEXT NOT NULL REFERENCES texts(hash),
    patch_hash TEXT REFERENCES texts(hash),
    reason TEXT NOT NULL,
    exit_code INTEGER,
    signal INTEGER,
    output_hash TEXT NOT NULL REFERENCES texts(hash),
    detail TEXT NOT NULL,
    reused INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    seconds REAL NOT NULL,
    ended_at TEXT NOT NULL
);
CREATE UNIQUE INDEX one_result_per_step ON execution_steps (task, stage, sample, turn, part) WHERE state = 'done';
CREATE INDEX results_by_request ON execution_steps (request_hash) WHERE state = 'done';
CREATE TABLE candidates (
    task TEXT NOT NULL REFERENCES tasks(id),
    number INTEGER NOT NULL,
    sample INTEGER NOT NULL,
    patch_hash TEXT NOT NULL REFERENCES texts(hash),
    test_hash TEXT REFERENCES texts(hash),
    approved INTEGER NOT NULL,
    duplicate_of INTEGER,
    PRIMARY KEY (task, number)
);
CREATE TABLE notes (
    task TEXT NOT NULL REFERENCES tasks(id),
    stage TEXT NOT NULL,
    sample INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (task, stage, sample, kind)
);
CREATE TABLE verdicts (
    task TEXT NOT NULL,
    patch_hash TEXT NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL,
    graded_at TEXT NOT NULL,
    PRIMARY KEY (task, patch_hash)
);
CREATE VIEW calls AS
SELECT c.id, c.task, c.stage, c.sample, c.turn, c.state, c.model, c.answered_by, c.finish_reason, c.error,
       c.prompt_tokens, c.completion_tokens, c.cache_read_tokens, c.cache_write_tokens, c.attempts, c.seconds,
       c.started_at, c.ended_at, t.plain AS answer, c.answer_hash,
       CASE WHEN c.prompt_tokens IS NULL THEN c.reserved_usd ELSE
           (c.prompt_tokens - c.cache_read_tokens - c.cache_write_tokens) * p.prompt
           + c.cache_read_tokens * p.cache_read + c.cache_write_tokens * p.cache_write
           + c.completion_tokens * p.completion END AS cost_usd
FROM call_steps c JOIN prices p ON p.model = c.model LEFT JOIN texts t ON t.hash = c.answer_hash;
CREATE VIEW executions AS
SELECT e.id, e.task, e.stage, e.sample, e.turn, e.part, e.state, e.reason, e.exit_code, e.signal, e.reused, e.seconds,
       o.plain AS output, e.output_hash, e.script_hash, e.patch_hash, e.detail, e.ended_at
FROM execution_steps e LEFT JOIN texts o ON o.hash = e.output_hash;
CREATE VIEW votes AS
SELECT e.task, e.sample AS candidate, e.turn AS test, o.exit_code AS original_exit, e.exit_code AS edited_exit,
       o.reason AS original_reason, e.reason AS edited_reason,
       o.exit_code IS 2 AS valid, (o.exit_code IS 2 AND e.exit_code IS 0) AS vote,
       e.script_hash, e.patch_hash
FROM execution_steps e
JOIN execution_steps o ON o.task = e.task AND o.stage = 'votes' AND o.turn = e.turn AND o.part = 'original'
    AND o.state = 'done'
WHERE e.stage = 'votes' AND e.part = 'edited' AND e.state = 'done';
CREATE VIEW spend_by_stage AS
SELECT stage, model, count(*) AS calls, sum(prompt_tokens) AS prompt_tokens,
       sum(completion_tokens) AS completion_tokens, sum(cache_read_tokens) AS cache_read_tokens,
       sum(cache_write_tokens) AS cache_write_tokens, sum(cost_usd) AS cost_usd
FROM calls GROUP BY stage, model;
CREATE VIEW predictions AS
SELECT t.id AS instance_id, 'codemonkeys' AS model_name_or_path, coalesce(x.plain, '') AS model_patch,
       t.state, t.reason, t.candidate
FROM tasks t LEFT JOIN texts x ON x.hash = t.patch_hash WHERE t.ended_at IS NOT NULL ORDER BY t.position;
"""

"""The journal's schema: ordered, named migrations. `docs/files.md` documents every table and view."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlite_utils import Database, Migrations

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

# A verdict is the majority of a patch's gradings; `gradings` has each of them.
VERDICTS = """
ALTER TABLE verdicts ADD COLUMN flags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE verdicts ADD COLUMN unstable INTEGER NOT NULL DEFAULT 0;
CREATE TABLE gradings (
    task TEXT NOT NULL,
    patch_hash TEXT NOT NULL,
    repeat INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    detail TEXT NOT NULL,
    tests TEXT NOT NULL,
    seconds REAL NOT NULL,
    graded_at TEXT NOT NULL,
    PRIMARY KEY (task, patch_hash, repeat)
);
INSERT INTO gradings SELECT task, patch_hash, 1, outcome, detail, '{}', 0, graded_at FROM verdicts;
"""

EVIDENCE = """
ALTER TABLE candidates ADD COLUMN source TEXT NOT NULL DEFAULT '';
ALTER TABLE candidates ADD COLUMN family TEXT NOT NULL DEFAULT '';
CREATE TABLE signals (
    task TEXT NOT NULL REFERENCES tasks(id),
    kind TEXT NOT NULL CHECK (kind IN ('regression tests', 'breaks', 'belief', 'ballot', 'conversation')),
    number INTEGER NOT NULL,
    value REAL,
    detail TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (task, kind, number)
);
"""

BILL = """
CREATE TABLE price_tiers (
    model TEXT NOT NULL REFERENCES prices(model),
    above INTEGER NOT NULL,
    prompt REAL NOT NULL,
    completion REAL NOT NULL,
    cache_read REAL NOT NULL,
    cache_write REAL NOT NULL,
    PRIMARY KEY (model, above)
) WITHOUT ROWID;
CREATE INDEX calls_of_task ON call_steps (task, stage, state);
CREATE INDEX executions_of_task ON execution_steps (task, stage, part, turn, state);
DROP VIEW spend_by_stage;
DROP VIEW calls;
CREATE VIEW calls AS
SELECT c.id, c.task, c.stage, c.sample, c.turn, c.state, c.model, c.answered_by, c.finish_reason, c.error,
       c.prompt_tokens, c.completion_tokens, c.cache_read_tokens, c.cache_write_tokens, c.attempts, c.seconds,
       c.started_at, c.ended_at, t.plain AS answer, c.answer_hash,
       CASE WHEN c.prompt_tokens IS NULL THEN c.reserved_usd ELSE
           max(0, c.prompt_tokens - c.cache_read_tokens - c.cache_write_tokens) * coalesce(l.prompt, p.prompt)
           + c.cache_read_tokens * coalesce(l.cache_read, p.cache_read)
           + c.cache_write_tokens * coalesce(l.cache_write, p.cache_write)
           + c.completion_tokens * coalesce(l.completion, p.completion) END AS cost_usd
FROM call_steps c JOIN prices p ON p.model = c.model LEFT JOIN texts t ON t.hash = c.answer_hash
LEFT JOIN price_tiers l ON l.model = c.model
    AND l.above = (SELECT max(above) FROM price_tiers WHERE model = c.model AND above < c.prompt_tokens);
CREATE VIEW spend_by_stage AS
SELECT stage, model, count(*) AS calls, sum(prompt_tokens) AS prompt_tokens,
       sum(completion_tokens) AS completion_tokens, sum(cache_read_tokens) AS cache_read_tokens,
       sum(cache_write_tokens) AS cache_write_tokens, sum(cost_usd) AS cost_usd
FROM calls GROUP BY stage, model;
"""

STANDING = """
CREATE TABLE retries (
    model TEXT NOT NULL,
    status TEXT NOT NULL,
    times INTEGER NOT NULL,
    last TEXT NOT NULL,
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    PRIMARY KEY (model, status)
) WITHOUT ROWID;
CREATE INDEX failed_calls ON call_steps (ended_at) WHERE state = 'failed';
CREATE INDEX failed_executions ON execution_steps (ended_at) WHERE state = 'failed';
DROP INDEX calls_of_task;
CREATE INDEX bill ON call_steps (
    task, stage, state, model, prompt_tokens, completion_tokens, cache_read_tokens, cache_write_tokens, reserved_usd
);
DROP VIEW spend_by_stage;
DROP VIEW calls;
CREATE VIEW costs AS
SELECT c.id, c.task, c.stage, c.state, c.model, c.prompt_tokens, c.completion_tokens, c.cache_read_tokens,
       c.cache_write_tokens,
       CASE WHEN c.prompt_tokens IS NULL THEN c.reserved_usd ELSE
           max(0, c.prompt_tokens - c.cache_read_tokens - c.cache_write_tokens) * coalesce(l.prompt, p.prompt)
           + c.cache_read_tokens * coalesce(l.cache_read, p.cache_read)
           + c.cache_write_tokens * coalesce(l.cache_write, p.cache_write)
           + c.completion_tokens * coalesce(l.completion, p.completion) END AS cost_usd
FROM call_steps c JOIN prices p ON p.model = c.model
LEFT JOIN price_tiers l ON l.model = c.model
    AND l.above = (SELECT max(above) FROM price_tiers WHERE model = c.model AND above < c.prompt_tokens);
CREATE VIEW calls AS
SELECT c.id, c.task, c.stage, c.sample, c.turn, c.state, c.model, c.answered_by, c.finish_reason, c.error,
       c.prompt_tokens, c.completion_tokens, c.cache_read_tokens, c.cache_write_tokens, c.attempts, c.seconds,
       c.started_at, c.ended_at, t.plain AS answer, c.answer_hash, k.cost_usd
FROM call_steps c JOIN costs k ON k.id = c.id LEFT JOIN texts t ON t.hash = c.answer_hash;
CREATE VIEW spend_by_stage AS
SELECT stage, model, count(*) AS calls, sum(prompt_tokens) AS prompt_tokens,
       sum(completion_tokens) AS completion_tokens, sum(cache_read_tokens) AS cache_read_tokens,
       sum(cache_write_tokens) AS cache_write_tokens, sum(cost_usd) AS cost_usd
FROM costs GROUP BY stage, model;
"""
"""`bill` covers every column of `costs`: summing up a large run must not read the answers."""


CONTROLS = """
CREATE TABLE controls (
    task TEXT NOT NULL REFERENCES tasks(id),
    candidate INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    failed TEXT NOT NULL,
    PRIMARY KEY (task, candidate)
) WITHOUT ROWID;
DROP VIEW votes;
CREATE VIEW votes AS
SELECT e.task, e.sample AS candidate, e.turn AS test, o.exit_code AS original_exit, e.exit_code AS edited_exit,
       o.reason AS original_reason, e.reason AS edited_reason, c.passed AS control,
       o.exit_code IS 2 AS valid, (o.exit_code IS 2 AND e.exit_code IS 0 AND c.passed IS NOT 0) AS vote,
       e.script_hash, e.patch_hash
FROM execution_steps e
JOIN execution_steps o ON o.task = e.task AND o.stage = 'votes' AND o.turn = e.turn AND o.part = 'original'
    AND o.state = 'done'
LEFT JOIN controls c ON c.task = e.task AND c.candidate = e.sample
WHERE e.stage = 'votes' AND e.part = 'edited' AND e.state = 'done';
"""


def migrations() -> Migrations:
    """All migrations, oldest first. Never change a released one: add a new one below it."""
    from sqlite_utils import Migrations

    steps = Migrations("codemonkeys")

    @steps(name="m001_initial")
    def initial(db: Database) -> None:
        execute(db, INITIAL)

    @steps(name="m002_verdicts")
    def verdicts(db: Database) -> None:
        execute(db, VERDICTS)

    @steps(name="m003_evidence")
    def evidence(db: Database) -> None:
        execute(db, EVIDENCE)

    @steps(name="m004_bill")
    def bill(db: Database) -> None:
        execute(db, BILL)

    @steps(name="m005_standing")
    def standing(db: Database) -> None:
        execute(db, STANDING)

    @steps(name="m006_controls")
    def controls(db: Database) -> None:
        execute(db, CONTROLS)

    return steps


def execute(db: Database, statements: str) -> None:
    """Execute statements one by one: `executescript` would commit the migration's transaction."""
    for statement in statements.split(";\n"):
        if statement.strip():
            db.conn.execute(statement)

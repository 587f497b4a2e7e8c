"""The journal's schema: ordered, named migrations. `docs/files.md` documents every table and view."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from codemonkeys.journal.light_import import load_sqlite_utils
from codemonkeys.journal.schema_batches import BATCHES
from codemonkeys.journal.schema_bill import COSTS
from codemonkeys.journal.schema_choices import CHOICES
from codemonkeys.journal.schema_controls import CONTROLS
from codemonkeys.journal.schema_initial import INITIAL
from codemonkeys.journal.schema_matches import MATCHES
from codemonkeys.journal.schema_nodes import NODES
from codemonkeys.journal.schema_sessions import SESSIONS
from codemonkeys.journal.schema_tools import TOOL_CALLS

if TYPE_CHECKING:
    from sqlite_utils import Database, Migrations

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

OVERRUNS = """
CREATE TABLE overruns (
    model TEXT PRIMARY KEY REFERENCES prices(model),
    factor REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX unanswered_calls ON call_steps (task, reserved_usd) WHERE state IN ('failed', 'lost');
"""

WINDOWS = """
CREATE TABLE windows (
    model TEXT PRIMARY KEY,
    tokens INTEGER,
    answer INTEGER,
    margin REAL NOT NULL
) WITHOUT ROWID;
"""

REASONING = """
ALTER TABLE call_steps ADD COLUMN reasoning_hash TEXT REFERENCES texts(hash);
ALTER TABLE call_steps ADD COLUMN thinking TEXT;
"""

PACKED_TEXTS = """
DROP VIEW spend_by_stage;
CREATE VIEW spend_by_stage AS
SELECT stage, model, sum(calls) AS calls, sum(prompt_tokens) AS prompt_tokens,
       sum(completion_tokens) AS completion_tokens, sum(cache_read_tokens) AS cache_read_tokens,
       sum(cache_write_tokens) AS cache_write_tokens, sum(cost_usd) AS cost_usd
FROM (
    SELECT stage, model, count(*) AS calls, sum(prompt_tokens) AS prompt_tokens,
           sum(completion_tokens) AS completion_tokens, sum(cache_read_tokens) AS cache_read_tokens,
           sum(cache_write_tokens) AS cache_write_tokens, sum(cost_usd) AS cost_usd
    FROM costs GROUP BY task, stage, state, model
) GROUP BY stage, model;
"""
"""Texts are from here on compressed in ways that older versions do not know (`packing.py`). The bill is first summed in
the order of the index `bill`, which needs no sorting."""

MIGRATIONS = {
    "m001_initial": INITIAL,
    "m002_verdicts": VERDICTS,
    "m003_evidence": EVIDENCE,
    "m004_bill": BILL,
    "m005_standing": STANDING,
    "m006_overruns": OVERRUNS,
    "m007_controls": CONTROLS,
    "m008_reasoning": REASONING,
    "m009_windows": WINDOWS,
    "m010_costs": COSTS,
    "m011_batches": BATCHES,
    "m012_choices": CHOICES,
    "m013_sessions": SESSIONS,
    "m014_matches": MATCHES,
    "m015_tool_calls": TOOL_CALLS,
    "m016_nodes": NODES,
    "m017_packed_texts": PACKED_TEXTS,
}
"""Statements by name, oldest first. Never change a released one: add a new one below it."""


def migrations() -> Migrations:
    """All migrations, oldest first."""
    load_sqlite_utils()
    from sqlite_utils import Migrations

    steps = Migrations("codemonkeys")
    for name, statements in MIGRATIONS.items():

        @steps(name=name)
        def migrate(db: Database, statements: str = statements) -> None:
            execute(db, statements)

    return steps


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a database up to date, in one transaction."""
    load_sqlite_utils()
    from sqlite_utils import Database

    database = Database(connection)
    with database.atomic():
        migrations().apply(database)


def execute(db: Database, statements: str) -> None:
    """Execute statements one by one: `executescript` would commit the migration's transaction."""
    for statement in statements.split(";\n"):
        if statement.strip():
            db.conn.execute(statement)

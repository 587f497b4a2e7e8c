"""Statements of the migration that adds the machines of a cluster, and on which of them an execution ran."""

from __future__ import annotations

NODES = """
CREATE TABLE cluster (
    address TEXT NOT NULL,
    dashboard TEXT NOT NULL
);
CREATE TABLE nodes (
    node TEXT PRIMARY KEY,
    address TEXT NOT NULL DEFAULT '',
    sandbox TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'up' CHECK (state IN ('up', 'suspect', 'gone')),
    cores REAL NOT NULL DEFAULT 0,
    memory_mb INTEGER NOT NULL DEFAULT 0,
    running INTEGER NOT NULL DEFAULT 0,
    environments INTEGER NOT NULL DEFAULT 0,
    disk_free_mb INTEGER,
    executions INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0,
    last_failure TEXT NOT NULL DEFAULT '',
    last_failure_at TEXT,
    seen_at TEXT
) WITHOUT ROWID;
ALTER TABLE execution_steps ADD COLUMN node TEXT NOT NULL DEFAULT '';
DROP VIEW executions;
CREATE VIEW executions AS
SELECT e.id, e.task, e.stage, e.sample, e.turn, e.part, e.state, e.reason, e.exit_code, e.signal, e.reused, e.seconds,
       o.plain AS output, e.output_hash, e.script_hash, e.patch_hash, e.detail, e.ended_at, e.node
FROM execution_steps e LEFT JOIN texts o ON o.hash = e.output_hash;
"""

"""Statements of the migration that adds controls: their table, and the view of votes that counts them."""

from __future__ import annotations

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

"""Statements of the migration that adds matches of tournaments: SQLite changes no check of a table that there is."""

from __future__ import annotations

MATCHES = """
CREATE TABLE more_signals (
    task TEXT NOT NULL REFERENCES tasks(id),
    kind TEXT NOT NULL CHECK (kind IN ('regression tests', 'breaks', 'belief', 'ballot', 'conversation', 'match')),
    number INTEGER NOT NULL,
    value REAL,
    detail TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (task, kind, number)
);
INSERT INTO more_signals SELECT task, kind, number, value, detail FROM signals;
DROP TABLE signals;
ALTER TABLE more_signals RENAME TO signals;
"""

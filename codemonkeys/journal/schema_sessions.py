"""Statements of the migration that adds sessions: what a command left, by content."""

from __future__ import annotations

SESSIONS = """
CREATE TABLE session_files (
    hash TEXT PRIMARY KEY,
    content BLOB NOT NULL
) WITHOUT ROWID;
ALTER TABLE execution_steps ADD COLUMN layer_hash TEXT REFERENCES texts(hash);
ALTER TABLE execution_steps ADD COLUMN dropped TEXT NOT NULL DEFAULT '';
"""

"""Statements of the migration that adds native tool calls: those of an answer, and which models were given tools."""

from __future__ import annotations

TOOL_CALLS = """
ALTER TABLE call_steps ADD COLUMN tool_calls_hash TEXT REFERENCES texts(hash);
CREATE TABLE tool_models (
    model TEXT PRIMARY KEY
) WITHOUT ROWID;
"""

"""What one conversation has used, as far as a turn of it."""

from __future__ import annotations

import sqlite3
from typing import NamedTuple


class Use(NamedTuple):
    """What calls and executions used."""

    tokens: int
    """Of prompts and answers."""
    usd: float
    """Of answers whose price is known."""
    seconds: float
    """Of calls and executions, one after another."""


def conversation_use(connection: sqlite3.Connection, task: str, stage: str, sample: int, turn: int) -> Use:
    """What a conversation has used to the end of a turn, by its answers and what was run for them."""
    where = "task = ? AND stage = ? AND sample = ? AND turn <= ? AND state = 'done'"
    key = (task, stage, sample, turn)
    tokens, seconds = connection.execute(
        f"SELECT sum(prompt_tokens + completion_tokens), sum(seconds) FROM call_steps WHERE {where}", key
    ).fetchone()
    (usd,) = connection.execute(
        f"SELECT sum(cost_usd) FROM costs WHERE id IN (SELECT id FROM call_steps WHERE {where})", key
    ).fetchone()
    (ran,) = connection.execute(f"SELECT sum(seconds) FROM execution_steps WHERE {where}", key).fetchone()
    return Use(tokens or 0, usd or 0.0, (seconds or 0.0) + (ran or 0.0))

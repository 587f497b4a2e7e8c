"""What was said in a conversation, from its stored calls."""

from __future__ import annotations

import json
import sqlite3
from typing import NamedTuple

from codemonkeys.journal import texts
from codemonkeys.models.tool_calls import in_words, load_calls


class Said(NamedTuple):
    """A message of a conversation, without its system message."""

    role: str
    text: str


def transcript(connection: sqlite3.Connection, task: str, stage: str, sample: int) -> list[Said]:
    """What a conversation was told and answered, turn by turn; empty if it has no answer."""
    where = "(task, stage, sample, state) = (?, ?, ?, 'done') ORDER BY turn"
    turns = connection.execute(
        f"SELECT request, answer_hash, tool_calls_hash FROM call_steps WHERE {where}", (task, stage, sample)
    )
    found: list[Said] = []
    for request, answer, calls in turns.fetchall():
        messages = json.loads(request)["messages"]
        answers = [number for number, (role, *_) in enumerate(messages) if role == "assistant"]
        new = messages[answers[-1] + 1 if answers else 0 :]
        found += [Said(role, texts.get(connection, digest)) for role, digest, *_ in new if role != "system"]
        called = in_words(load_calls(texts.get(connection, calls)))
        found.append(Said("assistant", "\n\n".join(filter(None, (texts.get(connection, answer), called)))))
    return found

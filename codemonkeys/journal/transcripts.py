"""What was said in a conversation, from its stored calls."""

from __future__ import annotations

import json
import sqlite3
from typing import NamedTuple

from codemonkeys.journal import texts
from codemonkeys.models.tool_calls import in_words, load_calls
from codemonkeys.stages import AGENT, BRANCH


class Said(NamedTuple):
    """A message of a conversation, without its system message."""

    role: str
    text: str


FORK = "fork"
"""Kind of the note that says where an agent goes on from another one: `of` which sample, before which `step` of it, and
with the answer of which `turn` of stage `branch`."""


def transcript(connection: sqlite3.Connection, task: str, stage: str, sample: int) -> list[Said]:
    """What a conversation was told and answered, turn by turn; empty if it has no answer.

    That of a fork begins with what it shares with its root.
    """
    turns = answered(connection, task, stage, sample)
    fork = connection.execute(
        "SELECT body FROM notes WHERE (task, stage, sample, kind) = (?, ?, ?, ?)", (task, BRANCH.name, sample, FORK)
    ).fetchone()
    if stage == AGENT.name and fork is not None:
        left = json.loads(fork[0])
        shared = answered(connection, task, stage, left["of"])[: left["step"]]
        turns = [*shared, *answered(connection, task, BRANCH.name, left["of"], left["turn"]), *turns]
    found: list[Said] = []
    for request, answer, calls in turns:
        messages = json.loads(request)["messages"]
        answers = [number for number, (role, *_) in enumerate(messages) if role == "assistant"]
        new = messages[answers[-1] + 1 if answers else 0 :]
        found += [Said(role, texts.get(connection, digest)) for role, digest, *_ in new if role != "system"]
        called = in_words(load_calls(texts.get(connection, calls)))
        found.append(Said("assistant", "\n\n".join(filter(None, (texts.get(connection, answer), called)))))
    return found


def answered(
    connection: sqlite3.Connection, task: str, stage: str, sample: int, turn: int | None = None
) -> list[tuple[str, str, str | None]]:
    """Request, answer and tool calls of each answered turn of a conversation, or of one of them."""
    return connection.execute(
        "SELECT request, answer_hash, tool_calls_hash FROM call_steps WHERE (task, stage, sample, state) = "
        "(?, ?, ?, 'done') AND turn = coalesce(?, turn) ORDER BY turn",
        (task, stage, sample, turn),
    ).fetchall()

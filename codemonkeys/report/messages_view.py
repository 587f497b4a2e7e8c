"""Conversations of a task as they were sent, as `show RUN TASK --messages STAGE/SAMPLE` prints them."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from itertools import groupby
from typing import Any

from rich.console import Group, RenderableType

from codemonkeys.errors import BadInput
from codemonkeys.journal import queries, texts
from codemonkeys.models.tool_calls import ToolCall, in_words
from codemonkeys.report.tables import dollars, heading, plain
from codemonkeys.wording import option

ALL = "all"
NAME = re.compile(r"([a-z]+(?:@[\w.-]+)?)(?:/(\d{1,9}))?", re.ASCII)


def messages_of(connection: sqlite3.Connection, task: str, name: str) -> list[dict[str, Any]]:
    """Turns of the conversations that are named `STAGE/SAMPLE`, `STAGE` or `all`, each with the messages new in it.

    Samples and turns count from 1. Raises BadInput if there is none.
    """
    query = (
        "SELECT c.*, k.cost_usd AS cost FROM call_steps c JOIN costs k ON k.id = c.id "
        "WHERE c.task = ? AND c.state <> 'superseded' ORDER BY c.stage, c.sample, c.turn, c.id"
    )
    calls = queries.rows(connection, query, task)
    first: dict[str, int] = {}
    for call in calls:
        first[call["stage"]] = min(call["id"], first.get(call["stage"], call["id"]))
    calls.sort(key=lambda call: (first[call["stage"]], call["sample"], call["turn"], call["id"]))
    found = NAME.fullmatch(name)
    chosen = [call for call in calls if name == ALL or (found and _is_named(call, found))]
    if not chosen:
        known = list(dict.fromkeys(call["stage"] for call in calls))
        raise BadInput(
            f"{option('messages', name)}: {task} has no such conversation; name a stage, one of its samples as in "
            f"edit/1, or {ALL}; it has the stages {', '.join(known) or 'none yet'}"
        )
    return [
        turn
        for _, several in groupby(chosen, key=lambda call: (call["stage"], call["sample"]))
        for turn in _turns(connection, list(several))
    ]


def _is_named(call: dict[str, Any], found: re.Match[str]) -> bool:
    return call["stage"] == found[1] and found[2] in (None, str(call["sample"] + 1))


def _turns(connection: sqlite3.Connection, calls: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    turns, before = [], list[Any]()
    for call in calls:
        messages = json.loads(call["request"])["messages"]
        known = len(before) if messages[: len(before)] == before else 0
        answered = call["answer_hash"] is not None
        # What the model answered stands with its turn already.
        new = [(role, digest) for role, digest in messages[known:] if not (known and role == "assistant")]
        turns.append(
            {
                **{name: call[name] for name in ("stage", "state", "model", "finish_reason", "error")},
                "sample": call["sample"] + 1,
                "turn": call["turn"] + 1,
                "cost_usd": call["cost"],
                "prompt_tokens": call["prompt_tokens"],
                "completion_tokens": call["completion_tokens"],
                "messages": [{"role": role, "text": texts.get(connection, digest)} for role, digest in new],
                "reasoning": texts.get(connection, call.get("reasoning_hash")),
                "answer": texts.get(connection, call["answer_hash"]) if answered else None,
                "tool_calls": [each.record() for each in queries.tool_calls_of(connection, call)],
            }
        )
        before = messages
    return turns


def messages_view(turns: Sequence[dict[str, Any]]) -> RenderableType:
    """Turns one below the other: what was new to the model, then what it answered."""
    parts: list[RenderableType] = []
    for turn in turns:
        tokens = f"{turn['prompt_tokens'] or 0:,} + {turn['completion_tokens'] or 0:,} tokens"
        said = turn["finish_reason"] or turn["state"]
        about = f"{turn['model']}  {said}  {tokens}  {dollars(turn['cost_usd'])}"
        parts += [heading(f"{turn['stage']}/{turn['sample']} turn {turn['turn']}"), plain(about, "dim")]
        if not turn["messages"]:
            parts.append(plain("\nthe same messages as before", "dim"))
        for message in turn["messages"]:
            parts += [plain(f"\n{message['role']}:", "bold"), plain(message["text"])]
        if turn["reasoning"]:
            parts += [plain("\nreasoning:", "bold"), plain(turn["reasoning"], "dim")]
        if turn["answer"] is not None:
            parts += [plain("\nassistant:", "bold green"), plain(turn["answer"])]
        if turn["tool_calls"]:
            calls = [ToolCall(**record) for record in turn["tool_calls"]]
            parts += [plain("\ntool calls:", "bold green"), plain(in_words(calls))]
        if turn["error"]:
            parts.append(plain(f"\nfailed: {turn['error']}", "red"))
    return Group(*parts)

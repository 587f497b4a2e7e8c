"""What the page of a trajectory or another conversation shows, as plain values: turn by turn, as it was sent."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from codemonkeys.errors import UnknownDataset
from codemonkeys.journal import texts
from codemonkeys.journal.queries import rows, tool_calls_of
from codemonkeys.models.tool_calls import in_words
from codemonkeys.report.task_view import ENDINGS
from codemonkeys.stages import EDIT
from codemonkeys.view import diffs
from codemonkeys.view.timelines import outcome_of

LONGEST = 200_000
"""Characters of a text that a page shows; the whole of it is a link away."""
OPEN = 6_000
"""Longer texts are folded."""


def conversation_page(connection: sqlite3.Connection, task: str, stages: Sequence[str], sample: int) -> dict[str, Any]:
    """The turns of a sample in some stages, one stage after the other. `sample`: from 1.

    Raises UnknownDataset if there are none.
    """
    turns: list[dict[str, Any]] = []
    for stage in stages:
        turns += turns_of(connection, task, stage, sample - 1)
    if not turns:
        raise UnknownDataset(f"{task} has no conversation {', '.join(stages)} {sample}")
    candidates = rows(
        connection, "SELECT number, test_hash FROM candidates WHERE task = ? AND sample = ?", task, sample - 1
    )
    return {
        "turns": turns,
        "candidate": candidates[0]["number"] if candidates and EDIT.name in stages else None,
        "cost_usd": None if any(t["cost_usd"] is None for t in turns) else sum(t["cost_usd"] for t in turns),
        "seconds": sum(turn["seconds"] or 0.0 for turn in turns),
        **{name: sum(turn[name] or 0 for turn in turns) for name in ("prompt_tokens", "completion_tokens")},
    }


def turns_of(connection: sqlite3.Connection, task: str, stage: str, sample: int) -> list[dict[str, Any]]:
    """The turns of one conversation, with the messages that are new in each. `sample`: from 0, as stored."""
    calls = rows(
        connection,
        "SELECT c.*, k.cost_usd AS cost FROM call_steps c JOIN costs k ON k.id = c.id "
        "WHERE c.task = ? AND c.stage = ? AND c.sample = ? AND c.state <> 'superseded' ORDER BY c.turn, c.id",
        *(task, stage, sample),
    )
    ran = rows(
        connection,
        "SELECT * FROM execution_steps WHERE task = ? AND stage = ? AND sample = ? AND state <> 'superseded' "
        "ORDER BY turn, id",
        *(task, stage, sample),
    )
    before: list[Any] = []
    patch: str | None = None
    turns = []
    for number, call in enumerate(calls):
        request = json.loads(call["request"])
        messages = request["messages"]
        known = len(before) if messages[: len(before)] == before else 0
        # Of one turn, only its last attempt has executions.
        last = number + 1 == len(calls) or calls[number + 1]["turn"] != call["turn"]
        executions = [execution(connection, row) for row in ran if last and row["turn"] == call["turn"]]
        after = next(
            (row["patch_hash"] for row in ran if row["turn"] == call["turn"] and row["part"] == "edited"), None
        )
        changed = last and after is not None and after != patch
        turns.append(
            {
                "stage": stage,
                "turn": call["turn"] + 1,
                **{name: call[name] for name in ("state", "model", "answered_by", "error", "seconds", "started_at")},
                **{name: call[name] for name in ("prompt_tokens", "completion_tokens", "cache_read_tokens")},
                "finish": ENDINGS.get(call["finish_reason"], call["finish_reason"]),
                "cost_usd": call["cost"],
                "sent_before": known,
                "messages": [message(connection, *pair) for pair in messages[known:]],
                "parameters": {name: value for name, value in request.items() if name not in ("messages", "tools")},
                "answer": text(connection, call["answer_hash"]),
                "tool_calls": shown(in_words(tool_calls_of(connection, call)), call.get("tool_calls_hash")),
                "reasoning": text(connection, call.get("reasoning_hash")),
                "executions": executions,
                "diff": diffs.of_patch(texts.get(connection, after)) if changed else [],
            }
        )
        before, patch = messages, after or patch
    return turns


def message(connection: sqlite3.Connection, role: str, digest: str) -> dict[str, Any]:
    """A message as it was sent. Earlier answers are folded: they stand above."""
    found = text(connection, digest)
    return {"role": role, **found, "open": found["open"] and role != "assistant"}


def text(connection: sqlite3.Connection, digest: str | None) -> dict[str, Any]:
    """A text as a page shows it: `whole` says that nothing is left out, `open` that it is not folded."""
    return shown(texts.get(connection, digest), digest)


def shown(found: str, digest: str | None) -> dict[str, Any]:
    """A text and the hash under which it is stored as a page shows them."""
    return {
        "text": found[:LONGEST],
        "size": len(found),
        "hash": digest,
        "whole": len(found) <= LONGEST,
        "open": len(found) <= OPEN,
    }


def execution(connection: sqlite3.Connection, row: Mapping[str, Any]) -> dict[str, Any]:
    """A script that ran: what came of it, the script and what it printed."""
    return {
        "part": row["part"] or "run",
        "outcome": outcome_of(row),
        "seconds": row["seconds"],
        "reused": bool(row["reused"]),
        "detail": row["detail"],
        "script": text(connection, row["script_hash"]),
        "output": text(connection, row["output_hash"]),
    }


def vote_page(connection: sqlite3.Connection, task: str, candidate: int, test: int) -> dict[str, Any]:
    """One test on one candidate: the script, and what it did on the unedited code and on the candidate; `test` from 1.

    Raises UnknownDataset if it did not run.
    """
    found = {
        row["part"]: row
        for row in rows(
            connection,
            "SELECT * FROM execution_steps WHERE task = ? AND stage = 'votes' AND turn = ? AND state = 'done' "
            "AND (part = 'original' OR (part = 'edited' AND sample = ?))",
            *(task, test - 1, candidate),
        )
    }
    if "edited" not in found:
        raise UnknownDataset(f"test {test} did not run on candidate {candidate} of {task}")
    return {
        "script": text(connection, found["edited"]["script_hash"]),
        "sides": [(name, execution(connection, found[part])) for name, part in SIDES if part in found],
    }


SIDES = (("On the unedited code", "original"), ("On the candidate", "edited"))

"""One answer of a run with its reasoning, as `show RUN TASK --answer STAGE.SAMPLE.TURN` prints it."""

from __future__ import annotations

import json
import re
import sqlite3
from typing import Any

from rich.console import Group, RenderableType

from codemonkeys.errors import BadInput
from codemonkeys.journal import queries, texts
from codemonkeys.models.tool_calls import ToolCall
from codemonkeys.models.tool_calls import in_words as calls_in_words
from codemonkeys.report.parameters import in_words
from codemonkeys.report.tables import heading, plain
from codemonkeys.wording import option

NAME = re.compile(r"([a-z]+)\.(\d{1,9})\.(\d{1,9})", re.ASCII)
LISTED = 30


def answer_of(connection: sqlite3.Connection, task: str, name: str) -> dict[str, Any]:
    """An answer by its name `STAGE.SAMPLE.TURN`, counted from 1. Raises BadInput if there is none."""
    found = NAME.fullmatch(name)
    query = "SELECT * FROM call_steps WHERE task = ? AND state = 'done' ORDER BY id"
    rows = {name_of(row): row for row in queries.rows(connection, query, task)}
    row = rows.get(f"{found[1]}.{int(found[2])}.{int(found[3])}") if found else None
    if row is None:
        known = list(rows)
        more = f" and {len(known) - LISTED} more" if len(known) > LISTED else ""
        raise BadInput(
            f"{option('answer', name)}: {task} has no such answer; it has "
            f"{', '.join(known[:LISTED]) + more or 'none yet'}"
        )
    request = json.loads(row["request"])
    return {
        "task": task,
        **{key: row[key] for key in ("stage", "sample", "turn", "model", "answered_by", "finish_reason")},
        **{key: request[key] for key in ("temperature", "max_tokens")},
        "parameters": request.get("parameters", {}),
        "reasoning": texts.get(connection, row.get("reasoning_hash")),
        "answer": texts.get(connection, row["answer_hash"]),
        "tool_calls": [each.record() for each in queries.tool_calls_of(connection, row)],
    }


def name_of(row: dict[str, Any]) -> str:
    """The name of an answer, as `answer_of` takes it."""
    return f"{row['stage']}.{row['sample'] + 1}.{row['turn'] + 1}"


def answer_view(answer: dict[str, Any]) -> RenderableType:
    """An answer: who gave it, with which parameters, what it thought and what it said."""
    parameters = {"temperature": answer["temperature"], "max_tokens": answer["max_tokens"], **answer["parameters"]}
    head = f"{answer['task']}  {name_of(answer)}  {answer['answered_by'] or answer['model']}  {answer['finish_reason']}"
    parts: list[RenderableType] = [plain(head, "bold"), plain(in_words(parameters))]
    if answer["reasoning"]:
        parts += [heading("Reasoning"), plain(answer["reasoning"], "dim")]
    parts += [heading("Answer"), plain(answer["answer"])]
    if answer["tool_calls"]:
        calls = [ToolCall(**record) for record in answer["tool_calls"]]
        parts += [heading("Tool calls"), plain(calls_in_words(calls))]
    return Group(*parts)

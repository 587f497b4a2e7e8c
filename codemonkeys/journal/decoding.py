"""Texts of a run in SQL: temporary views in which conversations, answers, scripts and outputs can be read."""

from __future__ import annotations

import sqlite3
from typing import Any

from codemonkeys.errors import BadInput
from codemonkeys.journal import texts

_AT = "{0}.task, {0}.stage, {0}.sample + 1 AS sample, {0}.turn + 1 AS turn"
VIEWS = {
    "messages": f"SELECT c.id AS call, {_AT.format('c')}, m.key + 1 AS position, "
    "json_extract(m.value, '$[0]') AS role, decoded(t.plain, t.compressed) AS content "
    "FROM main.call_steps c, json_each(c.request, '$.messages') m "
    "JOIN main.texts t ON t.hash = json_extract(m.value, '$[1]')",
    "answers": f"SELECT c.id AS call, {_AT.format('c')}, c.state, c.finish_reason, "
    "decoded(a.plain, a.compressed) AS answer, decoded(r.plain, r.compressed) AS reasoning, "
    "decoded(l.plain, l.compressed) AS tool_calls FROM main.call_steps c JOIN main.texts a ON a.hash = c.answer_hash "
    "LEFT JOIN main.texts r ON r.hash = c.reasoning_hash LEFT JOIN main.texts l ON l.hash = c.tool_calls_hash",
    "outputs": f"SELECT e.id AS execution, {_AT.format('e')}, e.part, e.reason, e.exit_code, "
    "decoded(s.plain, s.compressed) AS script, decoded(p.plain, p.compressed) AS patch, "
    "decoded(o.plain, o.compressed) AS output FROM main.execution_steps e "
    "JOIN main.texts s ON s.hash = e.script_hash LEFT JOIN main.texts p ON p.hash = e.patch_hash "
    "JOIN main.texts o ON o.hash = e.output_hash",
    "issues": "SELECT k.id AS task, decoded(t.plain, t.compressed) AS issue FROM main.tasks k "
    "JOIN main.texts t ON t.hash = k.issue_hash",
}
"""Queries by name of the view; docs/files.md describes them. Samples and turns count from 1, as people do."""
WHOLE = {"calls": ("answer", "answer_hash"), "executions": ("output", "output_hash")}
"""Views of every run in which a text is null if it is compressed, with its column and that of its hash."""
STEPS = 100_000
"""Steps of a query between two chances to interrupt it."""


def decode(connection: sqlite3.Connection) -> None:
    """Add the views to a connection that reads, and let it touch no other file."""

    def decoded(plain: str | None, compressed: bytes | None) -> str | None:
        """A text, however it is stored."""
        return plain if compressed is None else texts.unpacked(connection, compressed).decode()

    connection.create_function("decoded", 2, decoded, deterministic=True)
    columns = {row[1] for row in connection.execute("PRAGMA table_info(call_steps)")}
    for name, query in VIEWS.items():
        for added in {"reasoning_hash", "tool_calls_hash"} - columns:  # of a version that did not keep it
            query = query.replace(f"c.{added}", "NULL")
        connection.execute(f"CREATE TEMP VIEW {name} AS {query}")
    for name, (text, digest) in WHOLE.items():
        read = f"(SELECT decoded(t.plain, t.compressed) FROM main.texts t WHERE t.hash = v.{digest}) AS {text}"
        shown = [row[1] for row in connection.execute(f"PRAGMA main.table_info({name})")]
        chosen = ", ".join(read if column == text else f"v.{column}" for column in shown)
        connection.execute(f"CREATE TEMP VIEW {name} AS SELECT {chosen} FROM main.{name} v")
    connection.set_progress_handler(lambda: 0, STEPS)
    connection.set_authorizer(lambda action, *_: sqlite3.SQLITE_DENY if action in FORBIDDEN else sqlite3.SQLITE_OK)


def ask(connection: sqlite3.Connection, query: str, *parameters: Any) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows of a query of the user's. Raises BadInput for one that SQLite refuses."""
    try:
        found = connection.execute(query, parameters)
        rows = [tuple(row) for row in found]
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise BadInput(
            f"the query cannot be answered: {error}. Tables and views are in docs/files.md; those that hold texts are "
            f"{', '.join(VIEWS)}"
        ) from None
    return [column[0] for column in found.description or ()], rows


FORBIDDEN = (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH)

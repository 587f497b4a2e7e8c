"""A large run from a small one: its tasks copied in SQLite, with texts of their own."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

from codemonkeys.journal import texts
from codemonkeys.journal.similar import SimilarTexts

TABLES = ("tasks", "call_steps", "execution_steps", "candidates", "notes", "signals", "controls", "verdicts")


def copy_tasks(database: Path, tasks: int) -> None:
    """Copy the tasks of a run until there are so many. Half of all predictions get the verdict `resolved`."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.row_factory = sqlite3.Row
        connection.executescript("PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF;")
        connection.execute(
            "INSERT INTO verdicts (task, patch_hash, outcome, detail, graded_at) SELECT id, patch_hash, "
            "iif(position % 2, 'resolved', 'not resolved'), '', '2026-01-01T00:00:00+00:00' FROM tasks "
            "WHERE patch_hash IS NOT NULL"
        )
        stored = {table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in TABLES}
        first, similar = [row["id"] for row in stored["tasks"]], SimilarTexts()
        for copy in range(1, -(-tasks // len(first))):
            wanted = set(first[: tasks - copy * len(first)])
            connection.execute("BEGIN")
            copied: dict[str, str] = {}
            for table, rows in stored.items():
                for row in rows:
                    if row["id" if table == "tasks" else "task"] in wanted:
                        if table == "tasks":
                            row = {**row, "position": copy * len(first) + row["position"]}
                        insert(connection, table, renamed(connection, table, row, copy, copied, similar))
            connection.execute("COMMIT")


def renamed(
    connection: sqlite3.Connection,
    table: str,
    row: dict[str, object],
    copy: int,
    copied: dict[str, str],
    similar: SimilarTexts,
) -> dict[str, object]:
    """A row as it is in a copy. `copied`: hashes of the copy's texts by those of the first."""

    def text(digest: str) -> str:
        if digest not in copied:
            data = f"{texts.get(connection, digest)}\n{copy}".encode()
            copied[digest] = hashlib.sha256(data).hexdigest()
            texts.add(connection, copied[digest], data, similar=None if is_plain(connection, digest) else similar)
        return copied[digest]

    found = dict(row)
    name = "id" if table == "tasks" else "task"
    found[name] = f"{row[name]}-{copy}"
    if table != "tasks" and "id" in row:
        del found["id"]
    for column, value in row.items():
        if column.endswith("_hash") and column != "request_hash" and value is not None:
            found[column] = text(str(value))
    if "request" in row:
        request = json.loads(str(row["request"]))
        messages = [[role, text(digest)] for role, digest in request["messages"]]
        found["request"] = json.dumps({**request, "messages": messages})
    return found


def insert(connection: sqlite3.Connection, table: str, row: dict[str, object]) -> None:
    """Insert a row by its columns."""
    marks = ", ".join("?" * len(row))
    connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))


def is_plain(connection: sqlite3.Connection, digest: str) -> bool:
    """Whether a text is stored uncompressed."""
    return texts.has(connection, digest, plain=True)

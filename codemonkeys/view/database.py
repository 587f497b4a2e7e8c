"""A run as Datasette opens it: read-only, with the views in which texts can be read."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from datasette.database import Database
from datasette.utils import escape_sqlite, sqlite_timelimit

from codemonkeys.journal.decoding import decode

COUNT_MILLISECONDS = 100
"""Counting the rows of a view takes as long as reading it: then one is told that they are many."""
TABLE_MILLISECONDS = 2
"""Where all tables are listed, each has this long."""
ALL = "(SELECT type, name, sql FROM sqlite_master UNION ALL SELECT type, name, sql FROM sqlite_temp_master)"


class RunDatabase(Database):  # type: ignore[misc]
    """A run's database; sessions may write it meanwhile."""

    def connect(self, write: bool = False) -> sqlite3.Connection:
        """A connection that can neither write nor open another file."""
        assert not write, "runs are only read"
        uri = f"{Path(self.path).absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, timeout=30, check_same_thread=False)
        self._all_file_connections.append(connection)
        decode(connection)
        return connection

    async def view_names(self) -> list[str]:
        """Views, those that decode texts included."""
        found = await self.execute(f"SELECT DISTINCT name FROM {ALL} WHERE type = 'view' ORDER BY name")
        return [row[0] for row in found]

    async def get_view_definition(self, view: str) -> str | None:
        """The query of a view; None if there is none of that name."""
        row = (await self.execute(f"SELECT sql FROM {ALL} WHERE type = 'view' AND name = ?", (view,))).first()
        return None if row is None else f"{row[0]};"

    async def table_counts(self, limit: int = TABLE_MILLISECONDS) -> dict[str, int | None]:
        """Rows of each table; None for a large one."""
        names = await self.table_names()

        def count(connection: sqlite3.Connection) -> dict[str, int | None]:
            return {name: count_rows(connection, name) for name in names}

        found: dict[str, int | None] = await self.execute_fn(count)
        return found

    async def execute(self, sql: str, params: Any = None, *positional: Any, **options: Any) -> Any:
        """The rows of a query; counts are given up early."""
        if sql.startswith("select count(*) ") and not positional:
            options.setdefault("custom_time_limit", COUNT_MILLISECONDS)
        return await super().execute(sql, params, *positional, **options)


def count_rows(connection: sqlite3.Connection, table: str) -> int | None:
    """Rows of a table; None if counting them takes too long."""
    with sqlite_timelimit(connection, TABLE_MILLISECONDS):
        try:
            (count,) = connection.execute(f"SELECT count(*) FROM {escape_sqlite(table)}").fetchone()
        except sqlite3.OperationalError:
            return None
    return int(count)

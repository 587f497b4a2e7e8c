"""`sql`: asks a stored run by SQL."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from codemonkeys.cli.console import out, print_json
from codemonkeys.cli.exits import Exit
from codemonkeys.errors import BadInput
from codemonkeys.journal import run_files
from codemonkeys.journal.decoding import VIEWS, decode


def sql(runs: Path, name: str, query: str, as_json: bool) -> Exit:
    """Print the rows of a query; the run is opened read-only."""
    with run_files.reading(run_files.database_of(runs, name)) as connection:
        decode(connection)
        columns, rows = ask(connection, query)
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in rows])
        return Exit.DONE
    from codemonkeys.report.tables import new_table, plain

    table = new_table(*(plain(column).plain for column in columns))
    for row in rows:
        table.add_row(*(plain("" if value is None else value) for value in row))
    out().print(table)
    return Exit.DONE


def ask(connection: sqlite3.Connection, query: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Columns and rows of a query. Raises BadInput for one that SQLite refuses."""
    try:
        found = connection.execute(query)
        rows = [tuple(row) for row in found]
    except (sqlite3.Error, sqlite3.Warning) as error:
        raise BadInput(
            f"the query cannot be answered: {error}. Tables and views are in docs/files.md; those that hold texts are "
            f"{', '.join(VIEWS)}"
        ) from None
    return [column[0] for column in found.description or ()], rows

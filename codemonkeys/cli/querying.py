"""`sql`: asks a stored run by SQL."""

from __future__ import annotations

from pathlib import Path

from codemonkeys.cli.console import out, print_json
from codemonkeys.cli.exits import Exit
from codemonkeys.journal import run_files
from codemonkeys.journal.decoding import ask, decode


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

"""Tables without a terminal: quick, and to the character what rich draws."""

from __future__ import annotations

import io

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table
from rich.text import Text

from codemonkeys.report.lines_table import LinesTable
from codemonkeys.report.tables import new_table

TEXTS = st.text(max_size=12) | st.sampled_from(
    ["", "0.90 USD", "漢字", "e\u0301", "[bold]x[/bold]", ":smile:", "a b c d"]
)
CELLS = TEXTS | TEXTS.map(Text)


def drawn(table: Table, width: int) -> str:
    out = io.StringIO()
    Console(file=out, highlight=False, markup=False, emoji=False, soft_wrap=True, width=width).print(table)
    return out.getvalue()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), max_size=6), st.booleans(), st.sampled_from([12, 30, 1_000]))
def test_it_is_what_rich_draws(rows: list[tuple[str | Text, str | Text, str | Text]], header: bool, width: int) -> None:
    table = new_table("task", "calls", "reason", numbers=("calls",))
    assert isinstance(table, LinesTable)
    table.show_header = header
    other = Table(box=None, header_style="bold", pad_edge=False, padding=table.padding)
    other.columns = table.columns
    other.show_header = header
    for row in rows:
        table.add_row(*row)
        other.rows.append(table.rows[-1])
    assert drawn(table, width) == drawn(other, width)


def test_lines_are_written_only_without_a_terminal() -> None:
    table = new_table("task", numbers=("calls",))
    table.add_row(Text("red", "red"))
    out = io.StringIO()
    Console(file=out, force_terminal=True, color_system="standard", width=80).print(table)
    assert "\x1b[31mred" in out.getvalue()

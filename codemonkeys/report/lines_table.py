"""Tables that are written quickly where there is no terminal: rich takes about a millisecond for a row."""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text


class LinesTable(Table):
    """A table without a box whose rows are lines as rich would draw them, if nothing has to be wrapped or coloured."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        lines = None if console.is_terminal or self.title or self.caption else self._lines(options.max_width)
        if lines is None:
            yield from super().__rich_console__(console, options)
        elif lines:
            yield Segment("\n".join(lines) + "\n")

    def _lines(self, width: int) -> list[str] | None:
        """All rows, the header first; None if that takes more than lines of at most so many columns."""
        columns: list[list[str]] = []
        for number, column in enumerate(self.columns):
            cells = [text_of(cell) for cell in (*[column.header] * self.show_header, *column.cells)]
            if any(cell is None for cell in cells):
                return None
            known = [cell for cell in cells if cell is not None]
            widths = list(map(cell_len, known))
            gap = " " * (self.padding[1] if number < len(self.columns) - 1 else 0)
            most = max([*widths, 0 if gap else 1])
            filled = [(" " * (most - own), cell) for own, cell in zip(widths, known, strict=True)]
            right = column.justify == "right"
            columns.append([f"{space}{cell}{gap}" if right else f"{cell}{space}{gap}" for space, cell in filled])
        lines = list(map("".join, zip(*columns, strict=True)))
        return lines if all(cell_len(line) <= width for line in lines[:1]) else None  # All are as long.


def text_of(cell: RenderableType) -> str | None:
    """A cell that is one line of text as it stands; None for others."""
    if isinstance(cell, Text):
        return cell.plain if cell.plain.isprintable() else None
    # What could be markup or the name of an emoji is left to rich.
    if not isinstance(cell, str) or not cell.isprintable() or "[" in cell or cell.count(":") > 1:
        return None
    return cell

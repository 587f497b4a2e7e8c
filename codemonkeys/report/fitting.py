"""Text that fits the width of a terminal: ids lose their middle, messages what does not fit one line."""

from __future__ import annotations

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

from codemonkeys.redact import safe_terminal

WIDE = 100
"""Columns from which on tables have their full headings."""
SHORTEST = 12
"""Columns that an id needs at least to be told from others."""


class Id:
    """An id in a table, shortened in the middle where its column is narrower: its ends tell it from others."""

    def __init__(self, text: str, style: str = "") -> None:
        self._text, self._style = one_line(text), style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text(shorten(self._text, options.max_width), self._style, no_wrap=True, overflow="crop")

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        width = cell_len(self._text)
        return Measurement(min(width, SHORTEST), width)


def shorten(text: str, width: int) -> str:
    """The beginning and the end of a text of more than `width` characters."""
    if len(text) <= width:
        return text
    end = max(0, width - 1) // 2
    return f"{text[: max(0, width - 1 - end)]}…{text[len(text) - end :]}"


def one_line(text: str) -> str:
    """A text in one line, without control codes."""
    return " ".join(safe_terminal(text).split())


def cut(text: str, style: str = "") -> Text:
    """A text in one line, cut where its column ends."""
    return Text(one_line(text), style, no_wrap=True, overflow="ellipsis")

"""Sections of results for readers: as tables of a terminal, or as Markdown. What others wrote is escaped in both."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType

from codemonkeys.redact import safe_terminal
from codemonkeys.report.fitting import Id, one_line
from codemonkeys.report.tables import diff_view, heading, new_table, plain


@dataclass(frozen=True)
class Section:
    """A table with a heading and, below it, sentences and diffs."""

    title: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: tuple[str, ...] = ()
    """Headers of columns that hold numbers."""
    sentences: tuple[str, ...] = ()
    diffs: tuple[str, ...] = ()
    figure: str = ""
    """Of a page: SVG made by `codemonkeys.report.overview.drawing`, in which every text is escaped."""


def sections_view(found: Sequence[Section]) -> RenderableType:
    """Sections for a terminal."""
    parts: list[RenderableType] = []
    for section in found:
        parts.append(heading(safe_terminal(section.title)))
        if section.rows:
            headers = [one_line(header) or " " for header in section.headers]
            table = new_table(*headers, numbers=[one_line(name) for name in section.numbers])
            for first, *cells in section.rows:
                table.add_row(Id(first), *(plain(one_line(cell)) for cell in cells))
            parts.append(table)
        parts += [plain(sentence) for sentence in section.sentences]
        parts += [diff_view(diff) for diff in section.diffs]
    return Group(*parts)


def markdown(found: Sequence[Section]) -> str:
    """Sections as Markdown, in which no text of others is markup."""
    lines: list[str] = []
    for section in found:
        lines += [f"## {cell_of(section.title)}", ""]
        if section.rows:
            marks = ["--:" if header in section.numbers else "---" for header in section.headers]
            for row in (section.headers, marks, *section.rows):
                cells = row if row is marks else [cell_of(cell) for cell in row]
                lines.append(f"| {' | '.join(cells)} |")
            lines.append("")
        lines += [part for sentence in section.sentences for part in (cell_of(sentence), "")]
        for diff in section.diffs:
            fence = "`" * max(3, 1 + max((len(ticks) for ticks in re.findall("`+", diff)), default=0))
            lines += [f"{fence}diff", safe_terminal(diff).rstrip("\n"), fence, ""]
    return "\n".join(lines)


def cell_of(text: str) -> str:
    """A text as Markdown shows it, letter for letter."""
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", html.escape(one_line(text), quote=False))

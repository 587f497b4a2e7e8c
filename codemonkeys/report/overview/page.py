"""A report as one HTML file that needs nothing else: no script, no font, no picture from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from codemonkeys.redact import redact
from codemonkeys.report.fitting import one_line
from codemonkeys.report.sections import Section

if TYPE_CHECKING:
    from jinja2 import Template

FOLDER = Path(__file__).parent


def report_page(name: str, found: Sequence[Section]) -> str:
    """The page. `name`: of the run. Texts are escaped, without control codes and secrets; figures are ours."""
    from markupsafe import Markup

    style = (FOLDER / "report.css").read_text(encoding="utf-8")
    shown = [cleaned(section) for section in found if section.rows or section.sentences]
    return template().render(
        name=cell(name), sections=shown, figures={s.title: Markup(s.figure) for s in shown}, style=Markup(style)
    )


@cache
def template() -> Template:
    """The page's template."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(FOLDER)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("report.html.jinja")


def cleaned(section: Section) -> Section:
    """A section whose texts are in one line each, without control codes and secrets."""
    return replace(
        section,
        title=cell(section.title),
        headers=tuple(map(cell, section.headers)),
        numbers=tuple(map(cell, section.numbers)),
        rows=tuple(tuple(map(cell, row)) for row in section.rows),
        sentences=tuple(map(cell, section.sentences)),
    )


def cell(text: str) -> str:
    """A text of a cell."""
    return redact(one_line(text))

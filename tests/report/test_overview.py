"""The report of a run: every figure with its table, the same bytes each time, and nothing of others as markup."""

from __future__ import annotations

import io
import itertools
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from codemonkeys.cli.app import app
from codemonkeys.cli.reporting import read_report
from codemonkeys.demo.example import NAME, store_example
from codemonkeys.journal.store import Journal
from codemonkeys.redact import CONTROLS
from codemonkeys.report.fitting import one_line
from codemonkeys.report.overview.drawing import Caption, round_ticks
from codemonkeys.report.overview.flow import without_folders
from codemonkeys.report.overview.page import report_page
from codemonkeys.report.overview.sankey import sankey
from codemonkeys.report.sections import Section, markdown, sections_view
from tests.docs.pages import ROOT
from tests.journal.test_old_runs import restore
from tests.report.finished_run import finish_run

PAGE = ROOT / "docs" / "assets" / "example-report.html"
FIGURES = ["flow", "recall", "coverage", "turns", "rules", "cost", "time"]
ALLOWED = set(
    "html head meta title style body header h1 nav ul li a main section h2 p div figure table thead tbody tr th td "
    "svg desc text rect path circle".split()
)


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the example run, and what is built once in a folder of its own."""
    folder = tmp_path_factory.mktemp("example")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CODEMONKEYS_HOME", str(folder / "home"))
        store_example(folder / "runs")
        yield folder


@pytest.fixture(scope="module")
def sections(example: Path) -> dict[str, Section]:
    """The sections of its report by title."""
    return {section.title: section for section in read_report(example / "runs", NAME, [])}


class Reader(HTMLParser):
    """Reads a page: its elements with their attributes, and the texts of its cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.cells: list[str] = []
        self._in_cell = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs
        if tag in ("td", "th"):
            self.cells.append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.cells[-1] += data


def terminal(found: list[Section], width: int = 120) -> str:
    shown = io.StringIO()
    Console(file=shown, width=width, highlight=False, markup=False, emoji=False).print(sections_view(found))
    return shown.getvalue()


def test_the_report_of_the_example_is_the_published_one_byte_for_byte(example: Path) -> None:
    """Written anew by: codemonkeys demo --example; codemonkeys report example --html docs/assets/example-report.html"""
    target = example / "new" / "report.html"
    with pytest.raises(SystemExit) as ended:
        app(["report", NAME, "--html", str(target), "--runs", str(example / "runs")])
    assert ended.value.code == 0
    assert target.read_bytes() == PAGE.read_bytes()
    assert str(ROOT) not in PAGE.read_text() and "/home/" not in PAGE.read_text()


def test_it_tells_what_the_paper_tells(sections: dict[str, Section]) -> None:
    short = dict((row[0], row[1]) for row in sections["In short"].rows)
    assert short["score: chosen patch right"].startswith("50.0%") and short["context recall"] == "87.5%"
    assert short["coverage: any candidate right"].startswith("71.4%")
    flow = {(row[0], row[1]): int(row[2]) for row in sections["Flow of tasks"].rows}
    assert flow["one is right", "resolved"] == 4 and flow["one is right", "not resolved"] == 1
    coverage = sections["Coverage by number of samples (pass@k)"].rows
    assert [row[0] for row in coverage] == ["1", "2", "3", "4"] and coverage[0][1] == "35.7%"
    turns = [(row[0], row[1], row[2]) for row in sections["Samples and turns"].rows]
    assert ("1", "4", "57.1%") in turns and ("2", "4", "71.4%") in turns
    assert {"paper votes", "as the run chose", "choice judge"} <= {row[0] for row in sections["Selection rules"].rows}
    assert ("answer of no use", "edit: cut") in [row[:2] for row in sections["Failures by reason"].rows]


def test_money_stands_beside_quality(sections: dict[str, Section]) -> None:
    for title in ("Flow of tasks", "Context recall", "Coverage by number of samples (pass@k)", "Samples and turns"):
        assert any("cost" in header for header in sections[title].headers), title
    assert "cost of evidence" in sections["Selection rules"].headers
    rows = sections["Cost by stage and kind of token"].rows
    total = sections["In short"]
    assert rows[-1][0] == "total" and ("cost", "0.54 USD") in total.rows
    edit = dict(zip(sections["Cost by stage and kind of token"].headers, rows[3], strict=True))
    assert edit["stage"] == "edit" and edit["other"] == "0.13 USD", "an attempt without an answer, at its upper bound"
    assert ("cost of named choices, beside", "0.15 USD") in total.rows and rows[-1][-1] == "0.70 USD"


def test_every_figure_has_a_title_a_description_and_a_table(sections: dict[str, Section]) -> None:
    figures = {}
    for section in sections.values():
        if section.figure:
            root = ElementTree.fromstring(section.figure)
            title, desc = root[0], root[1]
            assert section.rows and title.text and desc.text
            assert root.attrib["aria-labelledby"].split() == [title.attrib["id"], desc.attrib["id"]]
            figures[root.attrib["aria-labelledby"].split("-")[0]] = section
    assert list(figures) == FIGURES
    page = report_page(NAME, list(sections.values()))
    reader = Reader(page)
    assert set(reader.elements) <= ALLOWED and reader.elements.count("svg") == len(FIGURES)
    assert not any(
        name in ("src", "onload") or "http" in (value or "")
        for name, value in reader.attributes
        if name != "http-equiv"
    )
    assert (
        "url(" not in page and "@import" not in page and "prefers-color-scheme: dark" in page and "@media print" in page
    )


def test_a_run_that_was_not_evaluated_has_the_rest(tmp_path: Path, make_repository: Callable[..., Path]) -> None:
    finish_run(tmp_path / "runs", make_repository({"a.py": "x = 1\n"}), tasks=2, generation={"samples": 2})
    found = {section.title: section for section in read_report(tmp_path / "runs", "run", [])}
    short = dict((row[0], row[1]) for row in found["In short"].rows)
    assert "score: chosen patch right" not in short and short["tasks"] == "2"
    assert "was not evaluated" in " ".join(found["In short"].sentences)
    for title in ("Context recall", "Coverage by number of samples (pass@k)", "Samples and turns"):
        assert not found[title].rows and "not evaluated" in found[title].sentences[0]
    assert "score" not in found["Selection rules"].headers and found["Selection rules"].rows
    assert ("candidates", "predicted", "2") in [row[:3] for row in found["Flow of tasks"].rows]
    assert "evaluated" in terminal(list(found.values())) and report_page("run", list(found.values()))


@pytest.mark.parametrize("name", ["conversation", "judge"])
def test_runs_of_an_older_version_and_unfinished_ones_are_reported(name: str, tmp_path: Path) -> None:
    restore(name, tmp_path)
    found = {section.title: section for section in read_report(tmp_path, name, [])}
    assert "not finished" in " ".join(row[1] for row in found["Flow of tasks"].rows)
    assert "resume" in " ".join(found["In short"].sentences)
    assert report_page(name, list(found.values()))


def test_an_ensemble_is_told_by_its_systems(example: Path, tmp_path: Path) -> None:
    database = store_example(tmp_path / "runs") / "run.db"
    members = [{"name": f"system {number}", "family": "", "path": f"/srv/{number}.jsonl"} for number in range(1, 5)]
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE run SET settings = json_set(settings, '$.ensemble', json(?))", (dumps(members),))
        connection.execute("UPDATE candidates SET source = 'system ' || (sample + 1), family = 'f' || sample")
    found = {section.title: section for section in read_report(tmp_path / "runs", NAME, [])}
    assert ("systems", "system 1, system 2, system 3, system 4") in found["The run"].rows
    assert found["Coverage by number of candidates"].headers[0] == "candidates"
    assert "different systems" in found["Samples and turns"].sentences[0]


def dumps(members: list[dict[str, str]]) -> str:
    return json.dumps({"members": members})


def test_reference_patches_out_of_reach_leave_only_recall_out(example: Path, tmp_path: Path) -> None:
    database = store_example(tmp_path / "runs") / "run.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE run SET source = '/far/away/tasks.jsonl'")
    found = {section.title: section for section in read_report(tmp_path / "runs", NAME, [])}
    (why,) = found["Context recall"].sentences
    assert why.startswith("Left out: the reference patches cannot be read (tasks.jsonl") and "/far" not in why
    assert "/far" not in report_page(NAME, list(found.values()))
    assert ("tasks", "candidates") in [row[:2] for row in found["Flow of tasks"].rows]


def test_a_price_that_nobody_knows_is_never_taken_as_nothing(example: Path, tmp_path: Path) -> None:
    database = store_example(tmp_path / "runs") / "run.db"
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE prices SET prompt = NULL WHERE model = 'scripted'")
        connection.execute("UPDATE call_steps SET cost_usd = NULL WHERE model = 'scripted'")
    found = {section.title: section for section in read_report(tmp_path / "runs", NAME, [])}
    assert ("cost", "price unknown") in found["In short"].rows
    for title in ("Coverage by number of samples (pass@k)", "Samples and turns", "Cost by stage and kind of token"):
        section = found[title]
        place = next(n for n, header in enumerate(section.headers) if header.startswith("cost"))
        assert section.rows[-1][place] == "price unknown", title
    assert not found["Samples and turns"].figure and report_page(NAME, list(found.values()))


def test_a_run_that_has_not_begun_is_told_as_such(tmp_path: Path) -> None:
    Journal(tmp_path, "run", "source", {}).close()
    found = {section.title: section for section in read_report(tmp_path, "run", [])}
    assert found["Flow of tasks"].sentences == ("The run has no task.",)
    assert ("tasks", "0") in found["In short"].rows
    assert not any(section.figure for section in found.values()) and report_page("run", list(found.values()))


HOSTILE = [
    "<script>alert(1)</script>",
    "</title></style></svg><img src=x onerror=alert(1)>",
    "\x1b[2J\x1b]0;title\x07 cleared",
    "\u202egnp.exe\u2066 turned\u2069",
    "[bold red]markup[/] [link=file:///etc]here[/link]",
    "{{ 7 * 7 }} {% raw %} {# gone #}",
    "name\nwith\nlines\x00\x08.py",
    "' onmouseover='alert(1)\" onfocus=\"alert(2)",
]


def test_hostile_texts_of_a_run_stay_texts(example: Path, tmp_path: Path) -> None:
    """In ids, reasons, names of models, rules, choices and files, wherever a report tells them."""
    database = store_example(tmp_path / "runs") / "run.db"
    hostile = itertools.cycle(HOSTILE)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.create_function("evil", 1, lambda old: f"{old} {next(hostile)}")
        for table, columns in TOLD.items():
            for column in columns.split():
                connection.execute(f"UPDATE {table} SET {column} = evil({column}) WHERE {column} IS NOT NULL")
        connection.execute("UPDATE call_steps SET stage = evil(stage) WHERE stage IN ('rank', 'relevance')")
        connection.execute("UPDATE tasks SET state = evil(state) WHERE state = 'model failed'")
    found = read_report(tmp_path / "runs", NAME, [])
    page = report_page(f"run {HOSTILE[0]}", found)
    reader = Reader(page)
    assert set(reader.elements) <= ALLOWED
    assert not any(name.startswith("on") or name in ("src", "style") for name, _ in reader.attributes)
    shown = terminal(found, 600)
    for told in (page, shown, markdown(found)):
        assert not CONTROLS.search(told)
    assert "<script>" not in page and "<script>" not in markdown(found)
    for text in HOSTILE:
        assert any(one_line(text) in cell for cell in reader.cells), text
        assert one_line(text) in shown, text
    for section in found:
        if section.figure:
            ElementTree.fromstring(section.figure)


TOLD = {
    "tasks": "reason",
    "call_steps": "error finish_reason",
    "execution_steps": "reason",
    "candidates": "source family",
    "named_choices": "rule model",
    "run": "source version",
    "verdicts": "outcome",
}
"""Columns that a report tells, by table."""


@given(st.lists(st.text(max_size=20), min_size=4, max_size=4))
def test_any_text_is_told_as_it_is(texts: list[str]) -> None:
    title, header, one, other = texts
    figure = sankey(Caption("flow", title, other), [[one, other], [one]], {one: "c1"})
    section = Section(title, (header, "number"), ((one, other),), ("number",), (other,), figure=figure)
    reader = Reader(report_page(title, [section]))
    assert set(reader.elements) <= ALLOWED
    assert reader.cells == [one_line(header), "number", one_line(one), one_line(other)]
    ElementTree.fromstring(figure)


@given(st.floats(1e-9, 1e9))
def test_ticks_are_round_and_reach_the_end(most: float) -> None:
    ticks = round_ticks(most)
    assert ticks[0] == 0 and ticks[-1] >= most * 0.998 and 2 <= len(ticks) <= 6


def test_paths_of_a_machine_are_left_with_their_last_part() -> None:
    told = "cannot build in /srv/x y: see /srv/a/logs/e.log, https://host/a/b and tests/test_a.py"
    assert without_folders(told) == "cannot build in x y: see e.log, https://host/a/b and tests/test_a.py"
    assert without_folders("replay:/data/one/recording.jsonl") == "replay:recording.jsonl"

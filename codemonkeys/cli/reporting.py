"""`report`: the results of a stored run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codemonkeys.cli.console import out, print_json, say
from codemonkeys.cli.exits import Exit
from codemonkeys.cli.studying import rules_for
from codemonkeys.errors import BadInput, CodeMonkeysError
from codemonkeys.journal import run_files
from codemonkeys.journal.queries import run_row
from codemonkeys.redact import redact
from codemonkeys.system.files import write_whole
from codemonkeys.wording import option

if TYPE_CHECKING:
    from codemonkeys.grading.recall import Recall
    from codemonkeys.report.sections import Section


@dataclass(frozen=True)
class ReportShape:
    """How a report is told; by default as tables of the terminal."""

    html: Path | None = None
    as_markdown: bool = False
    as_json: bool = False


def report_command(runs: Path, name: str, verdicts: Sequence[str], shape: ReportShape) -> Exit:
    """Report on a run."""
    from codemonkeys.report.overview.page import report_page
    from codemonkeys.report.sections import markdown, sections_view

    if shape.as_json and shape.as_markdown:
        raise BadInput(f"{option('json')} and {option('markdown')}: choose one")
    found = read_report(runs, name, verdicts)
    if shape.html is not None:
        try:
            write_whole(shape.html, report_page(name, found))
        except OSError as error:
            raise BadInput(
                f"{option('html', str(shape.html))}: cannot be written: {error.strerror}; choose another file"
            ) from None
        say(f"report written to {shape.html}")
    if shape.as_json:
        told = [{name: value for name, value in asdict(section).items() if name != "figure"} for section in found]
        print_json({"run": name, "sections": told})
    elif shape.as_markdown:
        print(redact(markdown(found)))
    elif shape.html is None:
        out().print(sections_view(found))
    return Exit.DONE


def read_report(runs: Path, name: str, verdict_files: Sequence[str]) -> list[Section]:
    """The sections of a run's report, with its stored verdicts and those of files."""
    from codemonkeys.report.overview.assembly import read_results, report_sections
    from codemonkeys.report.verdict_sources import Verdicts, add_file, add_stored

    database = run_files.database_of(runs, name)
    with run_files.reading(database) as connection:
        rule = run_row(connection)["settings"].get("selection", {}).get("rule", "conversation")
        sources = [row[0] for row in connection.execute("SELECT DISTINCT source FROM candidates ORDER BY source")]
        verdicts = Verdicts()
        add_stored(verdicts, connection)
        for file in verdict_files:
            add_file(verdicts, file, sources)
        recalls = recalls_of(runs, name) if verdicts.known else "the run was not evaluated"
        return report_sections(read_results(connection, verdicts, recalls, rules_for(rule)))


def recalls_of(runs: Path, name: str) -> list[Recall] | str:
    """Context recall of a run, or why it is not known: its dataset may be elsewhere."""
    from codemonkeys.grading.service import context_recall
    from codemonkeys.report.overview.flow import without_folders

    try:
        return context_recall(runs, name, None)
    except CodeMonkeysError as error:
        return f"the reference patches cannot be read ({without_folders(str(error))})"

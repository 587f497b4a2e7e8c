"""`compare`: what one run, named choice or predictions file gains and loses against another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codemonkeys.cli.console import out, print_json
from codemonkeys.cli.exits import Exit
from codemonkeys.cli.places import find, holding
from codemonkeys.errors import BadInput
from codemonkeys.redact import redact
from codemonkeys.wording import option

if TYPE_CHECKING:
    from codemonkeys.report.comparison import Side


@dataclass(frozen=True)
class Shape:
    """How a comparison is printed."""

    all_tasks: bool = False
    as_markdown: bool = False
    as_json: bool = False


def compare_command(named: Path | None, given: Sequence[str], verdicts: Sequence[str], shape: Shape) -> Exit:
    """Compare the first of several with each other one. `named`: the folder of runs that the user names, if any."""
    from codemonkeys.report.comparison import compare
    from codemonkeys.report.comparison_tables import sections
    from codemonkeys.report.sections import markdown, sections_view

    if len(given) < 2:
        raise BadInput("compare takes two or more runs, RUN:CHOICE for a named choice, or predictions files")
    if shape.as_json and shape.as_markdown:
        raise BadInput(f"{option('json')} and {option('markdown')}: choose one")
    of_side = sort_verdicts(given, verdicts)
    sides = [open_side(named, name, of_side[name]) for name in given]
    comparisons = [compare(sides[0], other) for other in sides[1:]]
    if shape.as_json:
        totals = ("graded", "resolved", "cost_usd", "seconds")
        values = [{**asdict(side), **{name: getattr(side, name) for name in totals}} for side in sides]
        for side in values:
            del side["prompts"]
        print_json({"sides": values, "comparisons": [asdict(comparison) for comparison in comparisons]})
        return Exit.DONE
    found = sections(sides, comparisons, shape.all_tasks)
    if shape.as_markdown:
        print(redact(markdown(found)))
    else:
        out().print(sections_view(found))
    return Exit.DONE


def sort_verdicts(given: Sequence[str], verdicts: Sequence[str]) -> dict[str, list[str]]:
    """The verdicts files by what they are about: `SIDE=FILE` about that one, a file alone about each.

    A side's file is handed on as that of its own system.
    """
    found: dict[str, list[str]] = {name: [] for name in given}
    for verdict in verdicts:
        side = next((name for name in given if verdict.startswith(f"{name}=")), None)
        for name in given if side is None else (side,):
            found[name].append(verdict if side is None else f"{system_of(name)}={verdict.removeprefix(f'{name}=')}")
    return found


def system_of(name: str) -> str:
    """The system that a side's verdicts name."""
    return Path(name).stem if is_file(name) else name


def is_file(name: str) -> bool:
    """Whether a side is a predictions file."""
    return name.endswith((".json", ".jsonl"))


def open_side(named: Path | None, name: str, verdicts: Sequence[str]) -> Side:
    """Read one side. Raises BadInput and its kin."""
    from codemonkeys.report.comparison_sides import file_side, run_side

    if is_file(name):
        return file_side(Path(name), verdicts)
    run, _, choice = name.partition(":")
    runs = find(named, run) or holding(named, run)
    return run_side(runs, run, choice or None, verdicts)

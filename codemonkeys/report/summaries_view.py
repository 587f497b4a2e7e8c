"""The summaries of trajectories, as `show` prints them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from codemonkeys.generation.distilling import PARTS, SUMMARY
from codemonkeys.report.fitting import one_line
from codemonkeys.report.tables import new_table, plain
from codemonkeys.stages import DISTILL


def summaries_table(notes: Sequence[dict[str, Any]]) -> Table:
    """One line per part of each summary, and the waves that were told of it."""
    told = [n for n in notes if (n["stage"], n["kind"]) == (DISTILL.name, "best")]
    table = new_table("sample", "told after", "", "summary", numbers=("sample",))
    for note in notes:
        if (note["stage"], note["kind"]) == (DISTILL.name, SUMMARY):
            after = ", ".join(str(n["sample"]) for n in told if note["sample"] in n["body"])
            for number, part in enumerate(PARTS):
                first = (str(note["sample"] + 1), after) if number == 0 else ("", "")
                table.add_row(*first, part, plain(one_line(note["body"][part])))
    return table

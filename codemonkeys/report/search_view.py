"""What a search has kept of a task's context choices and first edits, as `show` prints it. All count from 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from codemonkeys.journal.decisions import CONTEXTS
from codemonkeys.report.tables import new_table, plain
from codemonkeys.search.beam import PRUNED, SCORES
from codemonkeys.search.contexts import CHOICES
from codemonkeys.stages import PRUNE


def search_of_task(notes: Sequence[dict[str, Any]]) -> Table:
    """One line per context choice and per first edit."""
    table = new_table("of", "number", "", "", numbers=("number",))
    kept = next((note["body"] for note in notes if note["kind"] == CONTEXTS), None)
    of_stage = [note for note in notes if note["stage"] == PRUNE.name]
    for note in of_stage:
        if note["kind"] == CHOICES:
            for number, paths in enumerate(note["body"]):
                stays, listed = kept is None or number in kept, f"{len(paths)} files: {', '.join(paths)}"
                table.add_row("context", str(number + 1), words(stays), plain(listed))
    pruned = pruned_samples(notes)
    for note in of_stage:
        for edit in note["body"] if note["kind"] == SCORES else ():
            broken = "" if edit["broken"] is None else f", breaks {edit['broken']} tests of the repository"
            same = "" if "equal to" not in edit else f"; equal to that of sample {edit['equal to'] + 1}"
            said = f"passes {edit['passed']} of {edit['of']} scripts{broken}{same}"
            table.add_row("first edit", str(edit["sample"] + 1), words(edit["sample"] not in pruned), said)
    return table


def pruned_samples(notes: Sequence[dict[str, Any]]) -> set[int]:
    """Trajectories that had to end with their first edits."""
    return {note["sample"] for note in notes if (note["stage"], note["kind"]) == (PRUNE.name, PRUNED)}


def words(kept: bool) -> str:
    """Whether something was kept, in a word."""
    return "kept" if kept else "pruned"

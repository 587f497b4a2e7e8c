"""What layers made of the candidates of a task, as `show` prints it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from codemonkeys.report.fitting import one_line
from codemonkeys.report.tables import new_table, plain
from codemonkeys.stages import CRITIQUE, FUSE, RERANK, VERIFY


def layers_of_task(notes: Sequence[dict[str, Any]]) -> Table:
    """One line per critique, ranking, merged trajectory and its verification."""
    table = new_table("layer", "sample", "", numbers=("sample",))
    for note in notes:
        body, sample = note["body"], str(note["sample"] + 1)
        match note["stage"], note["kind"]:
            case CRITIQUE.name, "critique":
                for number, part in enumerate(body):
                    first = ("critique", sample) if number == 0 else ("", "")
                    table.add_row(*first, plain(f"{part}: {one_line(body[part])}"))
            case RERANK.name, "ranking":
                table.add_row("rank", "", f"samples {', '.join(str(n + 1) for n in body)}, best first")
            case FUSE.name, "parents":
                table.add_row("fuse", sample, f"merges samples {', '.join(str(n + 1) for n in body)}")
            case VERIFY.name, "verdict":
                said = "stays" if body["stays"] else "refused"
                broken = "" if body["broken"] is None else f"; breaks {body['broken']} tests of the repository"
                best = f"passes {body['passed']} of {body['of']} scripts, the best before it {body['best parent']}"
                table.add_row("verify", sample, f"{said}: {best}{broken}")
    return table

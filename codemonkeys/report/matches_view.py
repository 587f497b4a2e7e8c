"""The matches of a tournament, as `show` prints them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from codemonkeys.report.tables import new_table


def matches_table(signals: Sequence[dict[str, Any]]) -> Table:
    """One line per match: its round, the candidates with their votes, the winner, and what the votes saw."""
    table = new_table("round", "candidates", "votes", "winner", "evidence")
    for signal in signals:
        if signal["kind"] == "match":
            match = json.loads(signal["detail"])
            counts = Counter(match["votes"])
            votes = ":".join(str(counts[number]) for number in match["candidates"])
            names = ", ".join(map(str, match["candidates"]))
            table.add_row(
                *(str(match["round"]), names, votes, f"{signal['value']:.0f}", "all" if match["whole"] else "short")
            )
    return table

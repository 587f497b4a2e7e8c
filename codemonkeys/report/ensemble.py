"""What an ensemble was made of and what was chosen, as tables and plain values. No verdict is needed."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rich.table import Table

from codemonkeys.ensembles.members import Member
from codemonkeys.journal.queries import rows
from codemonkeys.report.tables import new_table, plain
from codemonkeys.selection.collect_evidence import stored_evidence
from codemonkeys.selection.rules import find_rule

REASONS = ("no record", "unknown id", "repeated", "empty patch", "no diff", "too large", "does not apply")
"""Why records are left out, in the order of a table."""


def ensemble_report(connection: sqlite3.Connection, members: Sequence[Member], rule: str) -> dict[str, Any]:
    """Members with what was left out of them, and every task with how sure the rule was. All of it JSON-able."""
    found = rows(connection, "SELECT id, state, reason, candidate FROM tasks ORDER BY position")
    evidence = {row["id"]: e for row in found if (e := stored_evidence(connection, row["id"]))}
    fitted = find_rule(rule).fit(list(evidence.values()))
    tasks, chosen = [], Counter[str]()
    for row in found:
        known = evidence.get(row["id"])
        source = known.sources[row["candidate"] - 1] if known and row["candidate"] else None
        chosen.update([source] if source else [])
        tasks.append(
            {
                "task": row["id"],
                "state": row["state"],
                "reason": row["reason"],
                "candidates": len(known.patches) if known else 0,
                "distinct": len(set(known.classes)) if known else 0,
                "source": source,
                "confidence": fitted.rank(known).confidence if known and source else None,
            }
        )
    return {
        "rule": rule,
        "members": [
            {
                "name": member.name,
                "family": member.family,
                "path": str(member.path),
                "used": len(member.patches),
                "chosen": chosen[member.name],
                "models": list(member.models),
                "dropped": [record._asdict() for record in (*member.dropped, *not_applying(connection, member))],
            }
            for member in members
        ],
        "tasks": tasks,
    }


def not_applying(connection: sqlite3.Connection, member: Member) -> list[Any]:
    """Patches of a member that git refused, as records left out."""
    from codemonkeys.ensembles.members import Dropped

    notes = rows(connection, "SELECT task, body FROM notes WHERE stage = 'ensemble' AND kind = 'does not apply'")
    refused = [(note["task"], entry) for note in notes for entry in json.loads(note["body"])]
    return [
        Dropped(task, str(member.path), "does not apply", entry["why"])
        for task, entry in refused
        if entry["source"] == member.name
    ]


def members_table(report: dict[str, Any]) -> Table:
    """One line for each member: what it brought, what was left out and why, and how often it was chosen."""
    counts = [Counter(record["why"] for record in member["dropped"]) for member in report["members"]]
    shown = [reason for reason in REASONS if any(count[reason] for count in counts)]
    columns = ("candidates", *shown, "chosen")
    table = new_table("member", "family", *columns, numbers=columns)
    for member, count in zip(report["members"], counts, strict=True):
        used = member["used"] - count["does not apply"]
        numbers = [str(n) for n in (used, *(count[reason] for reason in shown), member["chosen"])]
        table.add_row(plain(member["name"]), plain(member["family"]), *numbers)
    return table


def choices_table(report: dict[str, Any]) -> Table:
    """What there was to choose from, and what came of it, in a few lines."""
    tasks = report["tasks"]
    having = [task for task in tasks if task["candidates"]]
    sure = sorted(task["confidence"] for task in tasks if task["confidence"] is not None)
    # Why one was chosen differs from task to task; why none was is mostly the same, and needed.
    ended = Counter((t["state"], "" if t["source"] else t["reason"] or "") for t in tasks)
    table = new_table("what", "how many", numbers=("how many",))
    table.show_header = False
    table.add_row("tasks of the dataset", str(len(tasks)))
    table.add_row("tasks with a candidate", str(len(having)))
    table.add_row("candidates", str(sum(task["candidates"] for task in tasks)))
    table.add_row("distinct candidates", str(sum(task["distinct"] for task in tasks)))
    for (state, why), count in sorted(ended.items()):
        table.add_row(plain(f"{state}: {why}" if why else state), str(count))
    if sure:
        quartiles = [sure[len(sure) * part // 4] for part in (1, 2, 3)]
        table.add_row("confidence, quartiles", "  ".join(f"{value:.2f}" for value in quartiles))
    return table


def mixed_models(report: dict[str, Any]) -> list[str]:
    """A line for each member whose records name more than one model."""
    return [
        f"{member['name']} mixes {len(member['models'])} models: {', '.join(member['models'][:5])}"
        for member in report["members"]
        if len(member["models"]) > 1
    ]

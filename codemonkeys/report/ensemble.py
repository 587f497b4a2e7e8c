"""Report on an ensemble: its members and choices, as tables and plain values. It needs no verdicts."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from rich.table import Table

from codemonkeys.ensembles.members import Member, guess_model
from codemonkeys.errors import BadSettings, RuleFailed
from codemonkeys.journal.queries import rows, run_row
from codemonkeys.report.tables import new_table, plain
from codemonkeys.selection.collect_evidence import stored_evidence
from codemonkeys.selection.rules import find_rule, rule_names
from codemonkeys.selection.rules_base import Rule

REASONS = ("no record", "unknown id", "repeated", "empty patch", "no diff", "too large", "does not apply")
"""Why records are dropped, in the order of the table's columns."""


def ensemble_report(connection: sqlite3.Connection, members: Sequence[Member], rule: str) -> dict[str, Any]:
    """Members with their dropped records, and every task with the rule's confidence, as JSON-able values."""
    tasks = task_choices(connection, find_rule(rule))
    chosen = Counter(task["source"] for task in tasks)
    return {
        "rule": rule,
        "members": [
            {
                "name": member.name,
                "family": member.family,
                "model": guess_model(member.name),
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


def task_choices(connection: sqlite3.Connection, rule: Rule) -> list[dict[str, Any]]:
    """Every task with its outcome, the member whose patch was chosen, and the rule's confidence in it."""
    task_rows = rows(connection, "SELECT id, state, reason, candidate FROM tasks ORDER BY position")
    evidence = {row["id"]: e for row in task_rows if (e := stored_evidence(connection, row["id"]))}
    fitted = rule.fit(list(evidence.values()))
    choices = []
    for row in task_rows:
        own = evidence.get(row["id"])
        source = own.sources[row["candidate"] - 1] if own and row["candidate"] else None
        choices.append(
            {
                "task": row["id"],
                "state": row["state"],
                "reason": row["reason"],
                "candidates": len(own.patches) if own else 0,
                "distinct": len(set(own.classes)) if own else 0,
                "source": source,
                "confidence": fitted.rank(own).confidence if own and source else None,
            }
        )
    return choices


def stored_choices(connection: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """By task of a stored ensemble, `source` and `confidence` as in `task_choices`; empty for runs that solve.

    Only rules that are installed are called, as the run may be somebody else's; of others the confidence is None.
    """
    settings = run_row(connection)["settings"]
    if "ensemble" not in settings:
        return {}
    rule, choices = settings["selection"]["rule"], None
    if rule in rule_names():
        with suppress(BadSettings, RuleFailed):
            choices = task_choices(connection, find_rule(rule))
    if choices is None:
        query = "SELECT c.task, c.source FROM candidates c JOIN tasks t ON (t.id, t.candidate) = (c.task, c.number)"
        choices = [{**row, "confidence": None} for row in rows(connection, query)]
    return {choice["task"]: {"source": choice["source"], "confidence": choice["confidence"]} for choice in choices}


def not_applying(connection: sqlite3.Connection, member: Member) -> list[Any]:
    """Patches of a member that do not apply, as records left out."""
    from codemonkeys.ensembles.members import DroppedRecord

    notes = rows(connection, "SELECT task, body FROM notes WHERE stage = 'ensemble' AND kind = 'does not apply'")
    refused = [(note["task"], entry) for note in notes for entry in json.loads(note["body"])]
    return [
        DroppedRecord(task, str(member.path), "does not apply", entry["why"])
        for task, entry in refused
        if entry["source"] == member.name
    ]


def members_table(report: dict[str, Any]) -> Table:
    """One line per member: usable candidates, dropped records by reason, and how often it was chosen."""
    counts = [Counter(record["why"] for record in member["dropped"]) for member in report["members"]]
    reasons = [reason for reason in REASONS if any(count[reason] for count in counts)]
    columns = ("candidates", *reasons, "chosen")
    told = any(member["model"] for member in report["members"])
    table = new_table("member", "family", *["model"] * told, *columns, numbers=columns)
    for member, count in zip(report["members"], counts, strict=True):
        used = member["used"] - count["does not apply"]
        numbers = [str(n) for n in (used, *(count[reason] for reason in reasons), member["chosen"])]
        names = [plain(member[kind]) for kind in ("name", "family", *["model"] * told)]
        table.add_row(*names, *numbers)
    return table


def choices_table(report: dict[str, Any]) -> Table:
    """Summary of the candidates and the choices."""
    tasks = report["tasks"]
    with_candidates = [task for task in tasks if task["candidates"]]
    confidences = sorted(task["confidence"] for task in tasks if task["confidence"] is not None)
    # Only reasons for choosing none are counted: reasons for a choice differ from task to task.
    ended = Counter((t["state"], "" if t["source"] else t["reason"] or "") for t in tasks)
    table = new_table("quantity", "count", numbers=("count",))
    table.show_header = False
    table.add_row("tasks of the dataset", str(len(tasks)))
    table.add_row("tasks with a candidate", str(len(with_candidates)))
    table.add_row("candidates", str(sum(task["candidates"] for task in tasks)))
    table.add_row("distinct candidates", str(sum(task["distinct"] for task in tasks)))
    for (state, why), count in sorted(ended.items()):
        table.add_row(plain(f"{state}: {why}" if why else state), str(count))
    if confidences:
        quartiles = [confidences[len(confidences) * part // 4] for part in (1, 2, 3)]
        table.add_row("confidence, quartiles", "  ".join(f"{value:.2f}" for value in quartiles))
    return table


def mixed_models(report: dict[str, Any]) -> list[str]:
    """One line per member whose records name more than one model."""
    return [
        f"{member['name']} mixes {len(member['models'])} models: {', '.join(member['models'][:5])}"
        for member in report["members"]
        if len(member["models"]) > 1
    ]

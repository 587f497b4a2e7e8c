"""Named choices: further selections among the candidates of a stored run, beside the one that the run itself made."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codemonkeys.errors import BadInput
from codemonkeys.journal.queries import has_table, rows


@dataclass(frozen=True)
class NamedChoice:
    """A way to choose, under a name."""

    name: str
    rule: str
    model: str | None
    """The model that judges; None if none is asked."""
    settings: Mapping[str, Any]
    """All that decides it, JSON-serialisable: a choice that is resumed must find it unchanged."""


def named_choice(connection: sqlite3.Connection, name: str) -> NamedChoice | None:
    """A choice by its name; None if the run has none of that name."""
    return next((choice for choice in named_choices(connection) if choice.name == name), None)


def named_choices(connection: sqlite3.Connection) -> list[NamedChoice]:
    """The named choices of a run, oldest first."""
    if not has_table(connection, "named_choices"):
        return []
    query = "SELECT name, rule, model, settings FROM named_choices ORDER BY created_at, name"
    return [
        NamedChoice(name, rule, model, json.loads(settings))
        for name, rule, model, settings in connection.execute(query)
    ]


def chosen(connection: sqlite3.Connection, name: str) -> list[dict[str, Any]]:
    """What a named choice came to, by task in the order of the run: state, reason, candidate and when."""
    return rows(
        connection,
        "SELECT c.task, c.state, c.reason, c.candidate, c.started_at, c.ended_at FROM choices c "
        "JOIN tasks t ON t.id = c.task WHERE c.name = ? ORDER BY t.position",
        name,
    )


def spend_of_choices(connection: sqlite3.Connection) -> dict[str, dict[str, Any]]:
    """Calls and US dollars of each named choice that has cost something; dollars are None if a price is unknown."""
    if not has_table(connection, "spend_by_choice"):
        return {}
    query = (
        "SELECT choice, sum(calls) AS calls, iif(count(*) = count(cost_usd), sum(cost_usd), NULL) AS cost_usd "
        "FROM spend_by_choice WHERE choice <> '' GROUP BY choice ORDER BY choice"
    )
    return {row["choice"]: {"calls": row["calls"], "cost_usd": row["cost_usd"]} for row in rows(connection, query)}


def read_as(connection: sqlite3.Connection, run: str, name: str) -> None:
    """Have a connection that reads see a named choice where the run's own stands: in `tasks` and `predictions`.

    Tasks without a choice are `waiting`. The model of its predictions has the choice in its name, as in logs of
    gradings. Raises BadInput listing the choices that there are.
    """
    if named_choice(connection, name) is None:
        known = ", ".join(choice.name for choice in named_choices(connection))
        raise BadInput(
            f"run {run!r} has no choice {name!r}"
            + (f"; it has {known}" if known else f"; make one with: codemonkeys select {run} --rule RULE --name {name}")
        )
    quoted = name.replace("'", "''")
    connection.execute(
        "CREATE TEMP VIEW tasks AS SELECT t.id, t.position, t.repo, t.base_commit, t.issue_hash, "
        "coalesce(c.state, 'waiting') AS state, coalesce(c.reason, '') AS reason, c.candidate, c.patch_hash, "
        f"c.started_at, c.ended_at FROM main.tasks t LEFT JOIN main.choices c ON c.task = t.id AND c.name = '{quoted}'"
    )
    connection.execute(
        f"CREATE TEMP VIEW predictions AS SELECT t.id AS instance_id, 'codemonkeys-{quoted}' AS model_name_or_path, "
        "coalesce(x.plain, '') AS model_patch, t.state, t.reason, t.candidate "
        "FROM temp.tasks t LEFT JOIN main.texts x ON x.hash = t.patch_hash WHERE t.ended_at IS NOT NULL "
        "ORDER BY t.position"
    )

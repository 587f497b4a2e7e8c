"""What the page of a run shows, as plain values."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping
from typing import Any

from codemonkeys.journal.named_choices import chosen, named_choices, spend_of_choices
from codemonkeys.journal.queries import rows, run_row, unanswered
from codemonkeys.journal.run_files import state_to_show
from codemonkeys.report.parameters import stored_parameters
from codemonkeys.report.tables import place_of

FACETS = ("state", "verdict", "repo")
"""By what the tasks of a run can be narrowed down."""
ON_A_PAGE = 200
"""Tasks that one page lists."""
COUNTED = ("calls", "prompt_tokens", "completion_tokens", "cache_read_tokens", "cache_write_tokens")


def read_run(connection: sqlite3.Connection) -> dict[str, Any]:
    """Numbers, spend, choices and all tasks of a run."""
    run = run_row(connection)
    spent = spending(connection)
    tasks = task_lines(connection, spent)
    return {
        **{name: run[name] for name in ("source", "created_at", "version")},
        "rule": run["settings"].get("selection", {}).get("rule"),
        "parameters": stored_parameters(run["settings"]),
        "numbers": numbers(tasks, spent),
        "unanswered": unanswered(connection),
        "spend": by_stage(spent),
        "choices": choices(connection),
        "tasks": tasks,
    }


def run_page(run: Mapping[str, Any], asked: Mapping[str, str], owner: int | None) -> dict[str, Any]:
    """The same with facets, and a page of those tasks that are asked for.

    `asked`: wanted values of facets, and `page` from 1. `owner`: the process that works on the run, if any.
    """
    state = state_to_show("running", owner)
    tasks = [{**task, "state": state} if task["state"] == "running" else task for task in run["tasks"]]
    wanted = {name: asked[name] for name in FACETS if asked.get(name)}
    matching = [task for task in tasks if all(task[name] == value for name, value in wanted.items())]
    page = max(1, int(asked["page"]) if asked.get("page", "").isdecimal() else 1)
    begin = (page - 1) * ON_A_PAGE
    return {
        **run,
        "facets": facets(tasks, wanted),
        "wanted": wanted,
        "matching": len(matching),
        "matching_cost": total([task["cost_usd"] for task in matching]),
        "tasks": matching[begin : begin + ON_A_PAGE],
        "page": page,
        "pages": -(-len(matching) // ON_A_PAGE),
    }


def spending(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """Calls, tokens and US dollars by task, stage and model; dollars are None if a price is unknown."""
    sums = ", ".join(f"sum({name}) AS {name}" for name in COUNTED[1:])
    return rows(
        connection,
        f"SELECT task, stage, model, count(*) AS calls, {sums}, "
        "iif(count(*) = count(cost_usd), sum(cost_usd), NULL) AS cost_usd FROM costs GROUP BY task, stage, model",
    )


def by_stage(spent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The same by stage and model, in the order of the stages."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in spent:
        groups.setdefault((row["stage"], row["model"]), []).append(row)
    found = [
        {
            "stage": stage,
            "model": model,
            **{name: sum(row[name] or 0 for row in group) for name in COUNTED},
            "cost_usd": total([row["cost_usd"] for row in group]),
        }
        for (stage, model), group in groups.items()
    ]
    return sorted(found, key=lambda row: place_of(row["stage"]))


def task_lines(connection: sqlite3.Connection, spent: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A line for each task, in the order of the run."""
    costs: dict[str, list[float | None]] = {}
    for row in spent:
        costs.setdefault(row["task"], []).append(row["cost_usd"])
    found = rows(
        connection,
        "SELECT t.id, t.repo, t.state, t.reason, t.candidate, t.started_at, t.ended_at, "
        "coalesce(v.outcome, 'not graded') AS verdict, "
        "(SELECT count(*) FROM candidates c WHERE c.task = t.id) AS candidates, "
        "(SELECT count(*) FROM candidates c WHERE c.task = t.id AND c.duplicate_of IS NULL) AS distinct_ones "
        "FROM tasks t LEFT JOIN verdicts v ON v.task = t.id AND v.patch_hash = t.patch_hash ORDER BY t.position",
    )
    return [{**row, "cost_usd": total(costs.get(row["id"], []))} for row in found]


def numbers(tasks: list[dict[str, Any]], spent: list[dict[str, Any]]) -> dict[str, Any]:
    """What the run came to and what it cost."""
    verdicts = Counter(task["verdict"] for task in tasks)
    cost = total([row["cost_usd"] for row in spent])
    resolved = verdicts["resolved"]
    return {
        "tasks": len(tasks),
        "states": Counter(task["state"] for task in tasks).most_common(),
        "graded": len(tasks) - verdicts["not graded"],
        "resolved": resolved,
        "cost_usd": cost,
        "of_a_resolved": cost / resolved if cost is not None and resolved else None,
        "calls": sum(row["calls"] for row in spent),
        "candidates": sum(task["candidates"] for task in tasks),
        "distinct": sum(task["distinct_ones"] for task in tasks),
    }


def choices(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """The named choices of a run: rule, model, what they came to and cost."""
    if not (named := named_choices(connection)):
        return []
    costs = spend_of_choices(connection)
    verdicts = {(row["task"], row["patch_hash"]): row["outcome"] for row in rows(connection, "SELECT * FROM verdicts")}
    patches = {
        (row["task"], row["number"]): row["patch_hash"]
        for row in rows(connection, "SELECT task, number, patch_hash FROM candidates")
    }
    found = []
    for choice in named:
        lines = chosen(connection, choice.name)
        outcomes = [verdicts.get((row["task"], patches.get((row["task"], row["candidate"]), ""))) for row in lines]
        found.append(
            {
                "name": choice.name,
                "rule": choice.rule,
                "model": choice.model,
                "tasks": len(lines),
                "predicted": sum(row["state"] == "predicted" for row in lines),
                "graded": sum(outcome is not None for outcome in outcomes),
                "resolved": sum(outcome == "resolved" for outcome in outcomes),
                "cost_usd": costs.get(choice.name, {"cost_usd": 0.0})["cost_usd"],
            }
        )
    return found


def facets(tasks: list[dict[str, Any]], wanted: Mapping[str, str]) -> dict[str, list[tuple[str, int]]]:
    """Values of each facet with the number of tasks that have it, given what is wanted of the other facets."""
    found = {}
    for name in FACETS:
        others = {other: value for other, value in wanted.items() if other != name}
        among = (task for task in tasks if all(task[other] == value for other, value in others.items()))
        found[name] = Counter(task[name] for task in among).most_common(50)
    return found


def total(values: list[float | None]) -> float | None:
    """The sum; None if one of them is unknown."""
    return None if None in values else sum(value for value in values if value is not None)

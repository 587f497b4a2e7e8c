"""What a report reads from a journal beside a study: how steps ended, what they cost, and how long they took."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codemonkeys.grading.recall import Recall
from codemonkeys.journal.queries import has_table, rows, run_row, spend
from codemonkeys.report.stored_run import StoredRun
from codemonkeys.report.study import Study
from codemonkeys.report.verdict_sources import Verdicts


@dataclass(frozen=True)
class Facts:
    """Rows of a journal, in an order that does not depend on when they were written."""

    run: Mapping[str, Any]
    """Name, version, moment of creation, source and settings."""
    tasks: Sequence[Mapping[str, Any]]
    """Id, state, reason, and cost_usd without what named choices cost."""
    spend: Sequence[Mapping[str, Any]]
    """Calls, tokens and US dollars by stage and model."""
    token_costs: Mapping[str, Mapping[str, float]]
    """By stage, US dollars by kind of token at list prices; stages of unknown price are missing."""
    call_seconds: Mapping[str, float]
    """By stage, of answered calls."""
    turns: Mapping[tuple[str, int, int], float | None]
    """US dollars by task, sample and turn, of test and edit conversations; None if a price is unknown."""
    executions: Sequence[Mapping[str, Any]]
    """Stage, reason, exit state, whether reused: number and seconds."""
    troubles: Sequence[Mapping[str, Any]]
    """Calls and answers that were of no use: kind, stage, reason, number and US dollars."""
    outcomes: Mapping[str, int]
    """Number of graded patches by outcome."""
    span: tuple[str, str] | None
    """Start of the first task and end of the last, as the journal has them."""


@dataclass(frozen=True)
class Results:
    """Everything that sections are made of."""

    facts: Facts
    stored: StoredRun
    study: Study
    verdicts: Verdicts | None
    recalls: Sequence[Recall] | str
    """Or why there are none."""


KINDS = ("prompt", "cache read", "cache write", "completion")
"""Kinds of tokens; `prompt` without what was read from and written to a cache."""

TOKEN_COSTS = """
SELECT c.stage,
       sum(max(0, c.prompt_tokens - c.cache_read_tokens - c.cache_write_tokens) * {prompt} * {batch}) AS "prompt",
       sum(c.cache_read_tokens * {cache_read} * {batch}) AS "cache read",
       sum(c.cache_write_tokens * {cache_write} * {batch}) AS "cache write",
       sum(c.completion_tokens * {completion} * {batched}) AS "completion"
FROM call_steps c JOIN prices p ON p.model = c.model {joins}
WHERE c.prompt_tokens IS NOT NULL AND p.prompt IS NOT NULL GROUP BY c.stage ORDER BY c.stage
"""
TIERS = (
    "LEFT JOIN price_tiers l ON l.model = c.model AND l.above = "
    "(SELECT max(above) FROM price_tiers WHERE model = c.model AND above < c.prompt_tokens)"
)


def read_facts(connection: sqlite3.Connection) -> Facts:
    """Read the facts of a run from a connection to its journal."""
    of_task = (
        "SELECT task, sum(cost_usd) AS usd, count(*) = count(cost_usd) AS known FROM costs "
        "WHERE instr(stage, '@') = 0 GROUP BY task"
    )
    paid = {row["task"]: row["usd"] if row["known"] else None for row in rows(connection, of_task)}
    tasks = rows(
        connection,
        "SELECT id, state, reason, started_at, ended_at FROM tasks ORDER BY position",
    )
    started = [row["started_at"] for row in tasks if row["started_at"]]
    ended = [row["ended_at"] for row in tasks if row["ended_at"]]
    return Facts(
        run=run_row(connection),
        tasks=[{**row, "cost_usd": paid.get(row["id"], 0.0)} for row in tasks],
        spend=spend(connection),
        token_costs=token_costs(connection),
        call_seconds=seconds_of_calls(connection),
        turns=costs_of_turns(connection),
        executions=rows(
            connection,
            "SELECT stage, reason, state, reused, count(*) AS number, sum(seconds) AS seconds FROM execution_steps "
            "WHERE state <> 'superseded' GROUP BY stage, reason, state, reused ORDER BY stage, reason, state, reused",
        ),
        troubles=rows(
            connection,
            "SELECT iif(c.state = 'done', 'answer', 'call') AS kind, c.stage, "
            "coalesce(c.finish_reason, c.error, c.state) AS reason, count(*) AS number, sum(k.cost_usd) AS usd "
            "FROM call_steps c JOIN costs k ON k.id = c.id WHERE (c.state = 'done' AND c.finish_reason <> 'stop') "
            "OR c.state IN ('failed', 'lost') GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        ),
        outcomes={
            row["outcome"]: row["number"]
            for row in rows(
                connection, "SELECT outcome, count(*) AS number FROM verdicts GROUP BY outcome ORDER BY outcome"
            )
        },
        span=(min(started), max(ended)) if started and ended else None,
    )


def token_costs(connection: sqlite3.Connection) -> dict[str, dict[str, float]]:
    """By stage, US dollars by kind of token, at the prices, tiers and batch discounts that the run has stored."""
    tiers, batches = has_table(connection, "price_tiers"), has_table(connection, "batches")
    names = ("prompt", "completion", "cache_read", "cache_write")
    prices = {name: f"coalesce(l.{name}, p.{name})" if tiers else f"p.{name}" for name in names}
    query = TOKEN_COSTS.format(
        **prices,
        batch="coalesce(b.prompt_factor, 1)" if batches else "1",
        batched="coalesce(b.completion_factor, 1)" if batches else "1",
        joins=f"{TIERS if tiers else ''} {'LEFT JOIN batches b ON b.id = c.batch' if batches else ''}",
    )
    return {row["stage"]: {kind: row[kind] or 0.0 for kind in KINDS} for row in rows(connection, query)}


def seconds_of_calls(connection: sqlite3.Connection) -> dict[str, float]:
    """By stage, how long its answered calls took together."""
    query = "SELECT stage, sum(seconds) AS seconds FROM call_steps WHERE state = 'done' GROUP BY stage ORDER BY stage"
    return {row["stage"]: row["seconds"] or 0.0 for row in rows(connection, query)}


def costs_of_turns(connection: sqlite3.Connection) -> dict[tuple[str, int, int], float | None]:
    """US dollars by task, sample and turn, of test and edit conversations together."""
    query = (
        "SELECT c.task, c.sample, c.turn, iif(count(*) = count(k.cost_usd), sum(k.cost_usd), NULL) AS usd "
        "FROM call_steps c "
        "JOIN costs k ON k.id = c.id WHERE c.stage IN ('test', 'edit') GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    return {(row["task"], row["sample"], row["turn"]): row["usd"] for row in rows(connection, query)}

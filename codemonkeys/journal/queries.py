"""Read-only queries on a journal, with plain values as results."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any

from codemonkeys.errors import UnknownDataset
from codemonkeys.journal import texts
from codemonkeys.keys import COMMAND, StepKey
from codemonkeys.models.base import Completion, Usage, comparable_digest, reason_stored
from codemonkeys.models.tool_calls import ToolCall, load_calls
from codemonkeys.stages import AGENT, TEST


def rows(connection: sqlite3.Connection, query: str, *parameters: Any) -> list[dict[str, Any]]:
    """The rows of a query, as dictionaries."""
    return [dict(row) for row in connection.execute(query, parameters)]


def run_overview(connection: sqlite3.Connection) -> dict[str, Any]:
    """Name, source, settings, tasks with their outcomes, and the spend of a run."""
    run = run_row(connection)
    tasks = rows(
        connection,
        "SELECT id, state, reason, candidate, "
        "(SELECT count(*) FROM candidates WHERE candidates.task = tasks.id) AS candidates, "
        "(SELECT iif(count(*), sum(cost_usd), 0.0) FROM costs WHERE costs.task = tasks.id) AS cost_usd "
        "FROM tasks ORDER BY position",
    )
    found = {"tasks": tasks, "spend": spend(connection), "retries": retries(connection)}
    return {**run, **found, "unanswered": unanswered(connection)}


def run_row(connection: sqlite3.Connection) -> dict[str, Any]:
    """Name, version, moment of creation, source and settings of a run.

    Early versions added a row when a renamed run was resumed; the last one holds the name and the settings that count.
    """
    query = "SELECT name, version, created_at, source, settings FROM run ORDER BY rowid DESC LIMIT 1"
    (run,) = rows(connection, query)
    return {**run, "settings": json.loads(run["settings"])}


def retries(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """Number of retries by model and HTTP status or kind of failure, with the last error message."""
    if not has_table(connection, "retries"):
        return []
    return rows(connection, "SELECT * FROM retries ORDER BY model, status")


def unanswered(connection: sqlite3.Connection, task: str | None = None) -> dict[str, Any]:
    """Attempts without an answer that may have been charged: `attempts`, and `cost_usd` at their upper bounds."""
    query = (
        "SELECT count(*) AS attempts, coalesce(sum(reserved_usd), 0.0) AS cost_usd FROM call_steps "
        "WHERE state IN ('failed', 'lost') AND reserved_usd > 0"
    )
    found = rows(connection, query) if task is None else rows(connection, f"{query} AND task = ?", task)
    return found[0]


def pending_batches(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """Batches that are at their providers, or may be, oldest first; those that no call waits for are left out."""
    if not has_table(connection, "batches"):
        return []
    return rows(
        connection,
        "SELECT id, model, state, provider_id, calls, progress, submitted_at FROM batches b "
        "WHERE state IN ('submitting', 'pending') "
        "AND EXISTS (SELECT 1 FROM call_steps WHERE batch = b.id AND state = 'started') ORDER BY id",
    )


def has_table(connection: sqlite3.Connection, name: str) -> bool:
    """Whether a run has a table; one written by an older version, and only read since, may lack it."""
    return connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone() is not None


def spend(connection: sqlite3.Connection, task: str | None = None) -> list[dict[str, Any]]:
    """Calls, tokens and US dollars by stage and model; `cost_usd` is None if the price is unknown."""
    if task is None:
        return rows(connection, "SELECT * FROM spend_by_stage")
    query = (
        "SELECT stage, model, count(*) AS calls, sum(prompt_tokens) AS prompt_tokens, "
        "sum(completion_tokens) AS completion_tokens, sum(cache_read_tokens) AS cache_read_tokens, "
        "sum(cache_write_tokens) AS cache_write_tokens, sum(cost_usd) AS cost_usd "
        "FROM costs WHERE task = ? GROUP BY stage, model"
    )
    return rows(connection, query, task)


def context_notes(connection: sqlite3.Connection) -> dict[str, list[dict[str, Any]]]:
    """Notes about the context of each task that has one, in the order of the run."""
    found: dict[str, list[dict[str, Any]]] = {}
    query = (
        "SELECT task, stage, sample, kind, body FROM notes JOIN tasks ON tasks.id = notes.task "
        "WHERE kind IN ('files', 'context') ORDER BY tasks.position"
    )
    for row in rows(connection, query):
        found.setdefault(row["task"], []).append({**row, "body": json.loads(row["body"])})
    return found


def task_story(connection: sqlite3.Connection, task: str) -> dict[str, Any]:
    """Everything recorded about one task, in pipeline order. Raises UnknownDataset if it is not in the run."""
    found = rows(connection, "SELECT * FROM tasks WHERE id = ?", task)
    if not found:
        known = [row["id"] for row in rows(connection, "SELECT id FROM tasks ORDER BY position LIMIT 20")]
        raise UnknownDataset(f"the run has no task {task!r}; it has {', '.join(known) or 'none yet'}")
    story = found[0]
    notes = rows(connection, "SELECT stage, sample, kind, body FROM notes WHERE task = ? ORDER BY stage, sample", task)
    candidates = rows(connection, "SELECT * FROM candidates WHERE task = ? ORDER BY number", task)
    for candidate in candidates:
        candidate["patch"] = texts.get(connection, candidate["patch_hash"])
        candidate["test"] = texts.get(connection, candidate["test_hash"])
    settings = run_row(connection)["settings"]
    return {
        **story,
        "ensemble": "ensemble" in settings,
        "rule": settings.get("selection", {}).get("rule"),
        "issue": texts.get(connection, story["issue_hash"]),
        "patch": texts.get(connection, story["patch_hash"]),
        "notes": [{**note, "body": json.loads(note["body"])} for note in notes],
        "candidates": candidates,
        "votes": rows(connection, "SELECT * FROM votes WHERE task = ? ORDER BY candidate, test", task),
        "scripts": _test_scripts(connection, task),
        "signals": signals(connection, task),
        "commands": rows(
            connection,
            # SQLite takes the text of the row that has the maximum.
            "SELECT e.sample, count(*) AS commands, sum(e.exit_code > 0) AS failed, "
            "sum(e.reason <> 'exited') AS stopped, sum(e.seconds) AS seconds, "
            "max(e.turn * 100 + substr(e.part, ?)) AS latest, t.plain AS last "
            "FROM execution_steps e LEFT JOIN texts t ON t.hash = e.script_hash "
            "WHERE e.task = ? AND e.stage = ? AND e.part LIKE ? AND e.state = 'done' "
            "GROUP BY e.sample ORDER BY e.sample",
            *(len(COMMAND) + 1, task, AGENT.name, f"{COMMAND}%"),
        ),
        "conversations": rows(
            connection,
            "SELECT stage, sample, count(*) AS calls, sum(cost_usd) AS cost_usd, max(finish_reason) AS finish_reason "
            "FROM calls WHERE task = ? AND state = 'done' GROUP BY stage, sample ORDER BY min(id)",
            task,
        ),
        "unusable": rows(
            connection,
            "SELECT stage, finish_reason, count(*) AS answers, sum(prompt_tokens IS NULL) AS uncounted FROM call_steps "
            "WHERE task = ? AND finish_reason <> 'stop' GROUP BY stage, finish_reason ORDER BY min(id)",
            task,
        ),
        "verdicts": [
            {**row, "flags": json.loads(row.get("flags", "[]"))}
            for row in rows(connection, "SELECT * FROM verdicts WHERE task = ?", task)
        ],
        "spend": spend(connection, task),
        "unanswered": unanswered(connection, task),
    }


def _test_scripts(connection: sqlite3.Connection, task: str) -> int:
    """Number of samples that wrote a test script: one that ran, or that a candidate came with."""
    query = (
        "SELECT count(*) FROM (SELECT sample FROM execution_steps WHERE task = ?1 AND state = 'done' AND stage = ?2 "
        "UNION SELECT sample FROM candidates WHERE task = ?1 AND test_hash IS NOT NULL)"
    )
    (found,) = connection.execute(query, (task, TEST.name)).fetchone()
    return int(found)


def signals(connection: sqlite3.Connection, task: str, choice: str = "") -> list[dict[str, Any]]:
    """Kind, number, value and detail of a task's signals: evidence about candidates other than votes.

    `choice`: a named choice, whose own ones stand in place of the run's of the same kind.
    """
    if not has_table(connection, "signals"):
        return []
    query = "SELECT kind, number, value, detail FROM {} WHERE task = ? {} ORDER BY kind, number"
    found = rows(connection, query.format("signals", ""), task)
    own = rows(connection, query.format("choice_signals", "AND name = ?"), task, choice) if choice else []
    replaced = {row["kind"] for row in own}
    return [*(row for row in found if row["kind"] not in replaced), *own]


def controls(connection: sqlite3.Connection, task: str) -> dict[int, bool]:
    """Whether candidates pass their controls, by number; of those for which one ran."""
    if not has_table(connection, "controls"):
        return {}
    return {
        row["candidate"]: bool(row["passed"])
        for row in rows(connection, "SELECT candidate, passed FROM controls WHERE task = ?", task)
    }


def predictions(connection: sqlite3.Connection) -> list[dict[str, Any]]:
    """The run's predictions: finished tasks that have a patch, in the order of the run."""
    query = "SELECT instance_id, model_name_or_path, model_patch FROM predictions WHERE candidate IS NOT NULL"
    return rows(connection, query)


def answers(connection: sqlite3.Connection) -> Iterator[tuple[StepKey, Completion]]:
    """Every answer of the run with its step key, as stored in a recording."""
    counts = ("prompt_tokens", "completion_tokens", "cache_read_tokens", "cache_write_tokens")
    for row in rows(connection, "SELECT * FROM call_steps WHERE state = 'done' ORDER BY task, stage, sample, turn"):
        raw = row["usage"]
        usage = None if raw is None else Usage(*[*(row[name] for name in counts), json.loads(raw)])
        yield (
            StepKey(row["task"], row["stage"], row["sample"], row["turn"]),
            Completion(
                texts.get(connection, row["answer_hash"]),
                *(reason_stored(row["finish_reason"]), usage, row["answered_by"], row["seconds"], row["attempts"]),
                calls=tool_calls_of(connection, row),
            ),
        )


def tool_calls_of(connection: sqlite3.Connection, row: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    """The tool calls of an answer, from its row in `call_steps`; early versions had none."""
    return load_calls(texts.get(connection, row.get("tool_calls_hash")))


def request_messages(connection: sqlite3.Connection) -> dict[StepKey, list[str]]:
    """SHA-256 of each message of every answered request, as recordings have it, by its step."""
    digests: dict[str, str] = {}

    def recorded(digest: str) -> str:
        if digest not in digests:
            digests[digest] = comparable_digest(texts.get(connection, digest))
        return digests[digest]

    query = "SELECT task, stage, sample, turn, request FROM call_steps WHERE state = 'done'"
    return {
        StepKey(*tuple(row)[:4]): [recorded(digest) for _, digest in json.loads(row["request"])["messages"]]
        for row in connection.execute(query)
    }

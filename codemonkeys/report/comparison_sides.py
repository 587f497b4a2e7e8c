"""Reads what a comparison needs: runs, named choices of them, and predictions files, with their verdicts."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codemonkeys.journal import run_files, texts
from codemonkeys.journal.named_choices import named_choice, read_as
from codemonkeys.journal.queries import has_table, rows, run_row
from codemonkeys.report.comparison import Side, TaskOutcome, flat
from codemonkeys.report.verdict_sources import Verdicts, add_file, add_stored
from codemonkeys.runs.outcomes import FINAL
from codemonkeys.stages import STAGES, base_stage, choice_of
from codemonkeys.tasks.predictions import read_predictions

UNDECISIVE = ("ids", "operation", "ensemble")
"""Sections of stored settings that decide no result, or are of no use side by side."""


def run_side(runs: Path, run: str, choice: str | None, files: Sequence[str] = ()) -> Side:
    """A run, or a named choice of it. `files`: with further verdicts. Raises BadInput and its kin."""
    name = run if choice is None else f"{run}:{choice}"
    with run_files.reading(run_files.database_of(runs, run)) as connection:
        verdicts = Verdicts()
        add_stored(verdicts, connection)
        stored = run_row(connection)
        settings = {section: value for section, value in stored["settings"].items() if section not in UNDECISIVE}
        if choice is not None:
            read_as(connection, run, choice)
            found = named_choice(connection, choice)
            own = {} if found is None else found.settings
            settings |= {section: value for section, value in own.items() if section not in UNDECISIVE}
        sources = list(dict.fromkeys([name, *filter(None, sources_of(connection).values())]))
        for file in files:
            add_file(verdicts, file, sources)
        return Side(
            name,
            outcomes(connection, verdicts, name, choice or ""),
            *(stored["version"], flat(settings), models_of(connection, choice or ""), prompts_of(connection)),
        )


def sources_of(connection: sqlite3.Connection) -> dict[tuple[str, int], str]:
    """The systems that candidates are from, by task and number; empty names in a run of one system."""
    return {(row["task"], row["number"]): row.get("source", "") for row in rows(connection, "SELECT * FROM candidates")}


def outcomes(connection: sqlite3.Connection, verdicts: Verdicts, name: str, choice: str) -> dict[str, TaskOutcome]:
    """What became of each task that has begun; see `read_as`."""
    spent = spent_by_task(connection, choice)
    sources = sources_of(connection)
    found = {}
    for row in rows(connection, "SELECT id, state, candidate, patch_hash FROM tasks ORDER BY position"):
        if row["state"] == "waiting":
            continue
        resolved = None
        if row["candidate"] is not None:
            patch = texts.get(connection, row["patch_hash"])
            resolved = first_known(verdicts, row["id"], patch, [name, sources.get((row["id"], row["candidate"]), "")])
        elif row["state"] in FINAL:
            resolved = False
        found[row["id"]] = TaskOutcome(row["state"], resolved, *spent.get(row["id"], (0.0, 0.0)))
    return found


def spent_by_task(connection: sqlite3.Connection, choice: str) -> dict[str, tuple[float | None, float]]:
    """US dollars, None if unknown, and seconds by task: of the run, or with a choice in place of its own selection."""
    cost: dict[str, list[float | None]] = {}
    seconds: dict[str, float] = {}
    query = (
        "SELECT task, stage, count(*) = count(cost_usd) AS known, sum(cost_usd) AS usd FROM costs GROUP BY task, stage"
    )
    for row in rows(connection, query):
        if belongs(row["stage"], choice):
            cost.setdefault(row["task"], []).append(row["usd"] if row["known"] else None)
    for table in ("call_steps", "execution_steps"):
        worked = f"SELECT task, stage, sum(seconds) AS seconds FROM {table} WHERE state = 'done' GROUP BY task, stage"
        for row in rows(connection, worked):
            if belongs(row["stage"], choice):
                seconds[row["task"]] = seconds.get(row["task"], 0.0) + (row["seconds"] or 0.0)
    known = {task: None if None in paid else sum(filter(None, paid)) for task, paid in cost.items()}
    return {task: (known.get(task, 0.0), seconds.get(task, 0.0)) for task in {*known, *seconds}}


def belongs(stage: str, choice: str) -> bool:
    """Whether a stage is part of what led to a choice; empty: the run's own."""
    if choice_of(stage):
        return choice_of(stage) == choice
    known = STAGES.get(base_stage(stage))
    return not choice or known is None or known.role != "judge"


def models_of(connection: sqlite3.Connection, choice: str) -> dict[str, str]:
    """The models that answered, by stage."""
    query = (
        "SELECT DISTINCT stage, coalesce(answered_by, model) AS model FROM call_steps WHERE state = 'done' "
        "ORDER BY stage, model"
    )
    found: dict[str, list[str]] = {}
    for row in rows(connection, query):
        if belongs(row["stage"], choice):
            found.setdefault(base_stage(row["stage"]), []).append(row["model"])
    return {stage: ", ".join(models) for stage, models in found.items()}


def prompts_of(connection: sqlite3.Connection) -> dict[str, str] | None:
    """The templates that a run was begun with; None if its version did not store them."""
    found = rows(connection, "SELECT name, text_hash FROM prompts") if has_table(connection, "prompts") else []
    return {row["name"]: texts.get(connection, row["text_hash"]) for row in found} or None


def file_side(path: Path, files: Sequence[str]) -> Side:
    """A predictions file. `files`: with its verdicts. Raises BadInput and its kin."""
    predictions = read_predictions(path)
    verdicts = Verdicts()
    systems = list(dict.fromkeys([path.stem, *(row.model_name_or_path for row in predictions.values())]))
    for file in files:
        add_file(verdicts, file, systems)
    tasks = {
        task: TaskOutcome(
            "predicted" if row.model_patch.strip() else "no prediction",
            first_known(verdicts, task, row.model_patch, systems) if row.model_patch.strip() else False,
        )
        for task, row in predictions.items()
    }
    return Side(str(path), tasks)


def first_known(verdicts: Verdicts, task: str, patch: str, systems: Sequence[str]) -> bool | None:
    """The verdict on a patch under any of the names of its system."""
    known: Sequence[Any] = [verdicts.of(task, patch, system) for system in systems]
    return next((verdict for verdict in known if verdict is not None), None)

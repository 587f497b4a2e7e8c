"""All sections of a report, in the order in which a reader asks for them."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from codemonkeys.grading.recall import Recall
from codemonkeys.report.overview.facts import Results, read_facts
from codemonkeys.report.overview.flow import failures_section, flow_section, without_folders
from codemonkeys.report.overview.quality import coverage_section, recall_section, rules_section, turns_section
from codemonkeys.report.overview.spending import cost_section, summary_section, time_section
from codemonkeys.report.sections import Section
from codemonkeys.report.stored_run import read_run
from codemonkeys.report.study import study
from codemonkeys.report.verdict_sources import Verdicts
from codemonkeys.selection.rules import Rule


def read_results(
    connection: sqlite3.Connection,
    verdicts: Verdicts,
    recalls: Sequence[Recall] | str,
    rules: Mapping[str, Rule],
) -> Results:
    """Everything that a report shows, from a connection to a journal. `recalls`: or why there are none."""
    stored = read_run(connection)
    known = verdicts if verdicts.known else None
    return Results(read_facts(connection), stored, study(stored, known, rules), known, recalls)


def report_sections(results: Results) -> list[Section]:
    """The report of a run. The same run gives the same report: no clock, and no path of a machine."""
    return [
        summary_section(results),
        run_section(results.facts.run),
        flow_section(results),
        recall_section(results),
        coverage_section(results),
        turns_section(results),
        rules_section(results),
        cost_section(results),
        time_section(results),
        failures_section(results),
    ]


def run_section(run: Mapping[str, Any]) -> Section:
    """How the run was made."""
    settings = run["settings"]
    generation = settings.get("generation", {})
    model = settings.get("model")
    turns = [str(generation[name]) for name in ("test_turns", "edit_turns") if generation.get(name)]
    if "ensemble" in settings:
        made = {"systems": ", ".join(member["name"] for member in settings["ensemble"]["members"])}
    else:
        made = {
            "model": model,
            "scan model": settings.get("scan_model") or model,
            "models that write": ", ".join(generation.get("models") or ()) or model,
            "samples per task": generation.get("samples"),
            "turns of tests, of edits": " and ".join(turns),
        }
    told = {
        "tasks from": run["source"],
        **made,
        "selection rule": settings.get("selection", {}).get("rule"),
        "budget": budget(settings.get("operation", {}).get("budget")),
        "codemonkeys": run["version"],
        "begun": str(run["created_at"])[:10],
    }
    rows = [(name, without_folders(str(value))) for name, value in told.items() if value not in (None, "")]
    return Section("The run", ("setting", "value"), tuple(rows))


def budget(usd: float | None) -> str:
    """A budget in words; empty if there was none."""
    return "" if usd is None else f"{usd:,.2f} USD"

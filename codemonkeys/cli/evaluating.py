"""`evaluate`: grading by the hidden tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from codemonkeys.cli.console import out, print_json, say
from codemonkeys.cli.exits import Exit
from codemonkeys.errors import BadInput
from codemonkeys.grading.service import GradingOptions, grade_predictions, grade_run
from codemonkeys.grading.verdict import Outcome, Verdict
from codemonkeys.journal import queries, run_files
from codemonkeys.tasks.predictions import read_predictions


def evaluate_command(
    given: str, dataset: str | None, options: GradingOptions, output: Path | None, runs: Path, as_json: bool
) -> Exit:
    """Grade a run or a predictions file."""
    path = Path(given)
    if path.suffix in (".json", ".jsonl"):
        if dataset is None:
            raise BadInput(f"name the dataset of the tasks in {given}: codemonkeys evaluate {given} DATASET")
        predictions = read_predictions(path)
        tell = teller(len(predictions) * options.repeats)
        verdicts = grade_predictions(predictions, dataset, options, path.stem, output or Path(), tell)
    else:
        with run_files.reading(run_files.database_of(runs, given)) as connection:
            count = len(queries.predictions(connection))
        tell = teller(count * options.repeats)
        verdicts = grade_run(runs, given, dataset, options, output, on_verdict=tell)
    if as_json:
        print_json([{**asdict(verdict), "resolved": verdict.resolved} for verdict in verdicts])
    else:
        print_verdicts(verdicts)
    return exit_of(verdicts)


def exit_of(verdicts: list[Verdict]) -> Exit:
    """Done if everything could be graded and something is resolved."""
    if any(verdict.outcome is Outcome.INFRASTRUCTURE for verdict in verdicts):
        return Exit.PARTIAL
    return Exit.DONE if any(verdict.resolved for verdict in verdicts) else Exit.NOTHING_SOLVED


def teller(total: int) -> Callable[[Verdict], None]:
    """Says each verdict as it falls, and how many there have been."""
    told = 0

    def tell(verdict: Verdict) -> None:
        nonlocal told
        told += 1
        say(f"{verdict.id}: {verdict.outcome} ({told} of {total})")

    return tell


def print_verdicts(verdicts: list[Verdict]) -> None:
    """The verdicts as a table, and how many are resolved."""
    from codemonkeys.report.tables import new_table, plain

    table = new_table("task", "verdict", "fail to pass", "pass to pass", "detail", "the patch touches")
    for v in verdicts:
        counts = [f"{good} of {good + bad}" for good, bad in (v.tests.get(n, (0, 0)) for n in TEST_LISTS)]
        style = "green" if v.resolved else "yellow" if v.outcome is Outcome.INFRASTRUCTURE else "red"
        found = f"{v.outcome}, unstable" if v.unstable else v.outcome
        detail = v.detail.splitlines()[0] if v.detail else ""
        table.add_row(plain(v.id), plain(found, style), *counts, plain(detail), plain(", ".join(v.flags), "yellow"))
    out().print(table)
    infrastructure = sum(v.outcome is Outcome.INFRASTRUCTURE for v in verdicts)
    graded = len(verdicts) - infrastructure
    print(f"{sum(v.resolved for v in verdicts)} of {graded} graded predictions are resolved.")
    if infrastructure:
        print(f"{infrastructure} could not be graded, for reasons of the infrastructure; run the command again.")
    if unstable := sum(v.unstable for v in verdicts):
        print(f"{unstable} are unstable: repeats disagreed, the verdict is what most of them found.")
    if flagged := sum(bool(v.flags) for v in verdicts):
        print(f"{flagged} touch what decides how tests run: look at these patches before you count them.")


TEST_LISTS = ("FAIL_TO_PASS", "PASS_TO_PASS")

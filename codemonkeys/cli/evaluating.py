"""`evaluate`: grades predictions with the hidden tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from codemonkeys.cli.console import out, print_json, say
from codemonkeys.cli.exits import Exit
from codemonkeys.cli.places import find, holding
from codemonkeys.errors import BadInput
from codemonkeys.grading.recall import LIMITS, Recall
from codemonkeys.grading.service import GradingOptions, context_recall, grade_predictions, grade_run
from codemonkeys.grading.verdict import Outcome, Verdict
from codemonkeys.journal import queries, run_files
from codemonkeys.journal.named_choices import read_as
from codemonkeys.tasks.predictions import Prediction, log_name, read_predictions
from codemonkeys.tasks.submissions import looks_like_one
from codemonkeys.wording import option


def evaluate_command(
    given: str,
    dataset: str | None,
    options: GradingOptions,
    output: Path | None,
    named: Path | None,
    as_json: bool,
    choice: str | None = None,
) -> Exit:
    """Grade a run, or a named choice of it, or a predictions file.

    `named`: the folder of runs that the user names, if any.
    """
    path = Path(given)
    of_run = not looks_like_one(path) or (path.is_dir() and path.name == given and find(named, given) is not None)
    if not of_run:
        if choice is not None:
            raise BadInput(f"{option('choice', choice)}: runs have choices, predictions files have none; name a run")
        if dataset is None:
            raise BadInput(f"{given}: a predictions file needs its dataset; run: codemonkeys evaluate {given} DATASET")
        predictions = read_predictions(path)
        print_verdict = verdict_printer(len(predictions) * options.repeats)
        verdicts = grade_predictions(predictions, dataset, options, log_name(path), output or Path(), print_verdict)
    else:
        runs = holding(named, given)
        with run_files.reading(run_files.database_of(runs, given)) as connection:
            if choice is not None:
                read_as(connection, given, choice)
            predictions = {row["instance_id"]: Prediction(**row) for row in queries.predictions(connection)}
        print_verdict = verdict_printer(len(predictions) * options.repeats)
        verdicts = grade_run(runs, given, dataset, options, output, predictions, print_verdict)
    if as_json:
        print_json([{**asdict(verdict), "resolved": verdict.resolved} for verdict in verdicts])
    else:
        print_verdicts(verdicts)
        if of_run:
            print_recall(context_recall(runs, given, dataset))
    return exit_of(verdicts)


def exit_of(verdicts: list[Verdict]) -> Exit:
    """DONE if everything could be graded and something is resolved."""
    if any(verdict.outcome is Outcome.INFRASTRUCTURE for verdict in verdicts):
        return Exit.PARTIAL
    return Exit.DONE if any(verdict.resolved for verdict in verdicts) else Exit.NOTHING_SOLVED


def verdict_printer(total: int) -> Callable[[Verdict], None]:
    """A callback that prints each verdict with a running count."""
    count = 0

    def print_verdict(verdict: Verdict) -> None:
        nonlocal count
        count += 1
        say(f"{verdict.id}: {verdict.outcome} ({count} of {total})")

    return print_verdict


def print_verdicts(verdicts: list[Verdict]) -> None:
    """Print the verdicts as a table, and how many are resolved."""
    from codemonkeys.report.tables import new_table, plain

    table = new_table("task", "verdict", "fail to pass", "pass to pass", "detail", "the patch touches")
    for v in verdicts:
        counts = [f"{good} of {good + bad}" for good, bad in (v.tests.get(n, (0, 0)) for n in TEST_LISTS)]
        style = "green" if v.resolved else "yellow" if v.outcome is Outcome.INFRASTRUCTURE else "red"
        outcome = f"{v.outcome}, unstable" if v.unstable else v.outcome
        detail = v.detail.splitlines()[0] if v.detail else ""
        table.add_row(plain(v.id), plain(outcome, style), *counts, plain(detail), plain(", ".join(v.flags), "yellow"))
    out().print(table)
    infrastructure = sum(v.outcome is Outcome.INFRASTRUCTURE for v in verdicts)
    graded = len(verdicts) - infrastructure
    print(f"{sum(v.resolved for v in verdicts)} of {graded} graded predictions are resolved.")
    if infrastructure:
        print(f"{infrastructure} could not be graded because of infrastructure failures; run the command again.")
    if unstable := sum(v.unstable for v in verdicts):
        print(f"{unstable} are unstable: repeats disagreed; the verdict is the majority's.")
    if flagged := sum(bool(v.flags) for v in verdicts):
        print(f"{flagged} touch files that control how tests run: review these patches before you count them.")


def print_recall(recalls: list[Recall]) -> None:
    """Print how many contexts hold what the reference patches edit, and where the other files were lost."""
    if not recalls:
        return
    from codemonkeys.report.tables import new_table, plain

    complete = sum(not recall.lost for recall in recalls)
    limits = [limit for limit in LIMITS if any(recall.by_limit for recall in recalls)]
    smaller = ", ".join(f"{sum(r.by_limit.get(limit, False) for r in recalls)} at {limit:,}" for limit in limits)
    print(
        f"Context recall: {complete} of {len(recalls)} contexts hold every source file that the reference patch edits"
        f"{f' ({smaller} tokens)' if smaller else ''}."
    )
    lost = [(recall.task, path, why) for recall in recalls for path, why in recall.lost.items()]
    if lost:
        table = new_table("task", "file that the context lacks", "where it was lost")
        for row in lost:
            table.add_row(*(plain(cell) for cell in row))
        out().print(table)


TEST_LISTS = ("FAIL_TO_PASS", "PASS_TO_PASS")

"""`study`: all rules on what one run has stored, and what more would bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from codemonkeys.cli.console import out, print_json, say
from codemonkeys.cli.exits import Exit
from codemonkeys.errors import BadInput, BadSettings
from codemonkeys.journal import run_files
from codemonkeys.tasks.predictions import Prediction

if TYPE_CHECKING:
    from codemonkeys.report.study import Study
    from codemonkeys.selection.rules import Rule

GRADES = ("candidates", "turns")


def study_command(
    runs: Path,
    name: str,
    verdicts: Sequence[str],
    grade: str | None,
    figures: Path | None,
    sandbox: str | None,
    as_json: bool,
) -> Exit:
    """Study a run."""
    if grade is not None:
        if grade not in GRADES:
            raise BadInput(f"--grade {grade}: choose {' or '.join(GRADES)}")
        grade_all(runs, name, sandbox, earlier=grade == "turns")
    found = open_study(runs, name, verdicts)
    if as_json:
        print_json(asdict(found))
    else:
        print_one(found)
    if figures is not None:
        from codemonkeys.report.figures import write_figures

        drawn = write_figures(found, figures)
        for path in drawn:
            say(f"figure written to {path}")
        if not drawn:
            say("no figure was written: without verdicts there is nothing to draw; give --verdicts FILE or --grade")
    return Exit.DONE


def print_one(found: Study) -> None:
    """A study, as tables."""
    from codemonkeys.report.study_tables import study_view

    out().print(study_view(found))


def open_study(runs: Path, name: str, given: Sequence[str]) -> Study:
    """The study of a run, with the verdicts it holds and those of files; without any, what needs none."""
    from codemonkeys.report.stored_run import read_run
    from codemonkeys.report.study import study
    from codemonkeys.report.verdict_sources import Verdicts, add_file, add_stored

    with run_files.reading(run_files.database_of(runs, name)) as connection:
        run = read_run(connection)
        verdicts = Verdicts()
        add_stored(verdicts, connection)
    sources = list(dict.fromkeys(source for evidence in run.evidence.values() for source in evidence.sources))
    for file in given:
        add_file(verdicts, file, sources)
    return study(run, verdicts if verdicts.known else None, rules_for(run.rule))


def rules_for(rule: str) -> dict[str, Rule]:
    """All rules there are, and the run's own if it is none of them and can still be loaded."""
    from codemonkeys.selection.rules import all_rules, find_rule

    rules = all_rules()
    if rule not in rules:
        try:
            rules[rule] = find_rule(rule)
        except BadSettings as error:
            say(f"the rule of the run is left out: {error}")
    return rules


def grade_all(runs: Path, name: str, sandbox: str | None, earlier: bool) -> None:
    """Grade every distinct candidate without a verdict by the hidden tests; with `earlier`, earlier edits too."""
    from codemonkeys.cli.evaluating import teller
    from codemonkeys.grading.service import GradingOptions, grade_run
    from codemonkeys.report.verdict_sources import ungraded

    database = run_files.database_of(runs, name)
    with run_files.reading(database) as connection:
        waiting = ungraded(connection, earlier)
    say(f"{sum(map(len, waiting.values()))} patches of {len(waiting)} tasks have no verdict yet")
    # One patch of each task at a time: a harness run holds one prediction a task.
    for number in range(max(map(len, waiting.values()), default=0)):
        predictions = {
            task: Prediction(task, f"patch-{number + 1}", patches[number])
            for task, patches in waiting.items()
            if number < len(patches)
        }
        tell = teller(len(predictions))
        grade_run(runs, name, None, GradingOptions(sandbox), runs / name / "grading", predictions, tell)

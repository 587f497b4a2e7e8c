"""`study`: compares all selection rules on a stored run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from codemonkeys.cli.console import out, print_json, say
from codemonkeys.cli.exits import Exit
from codemonkeys.errors import BadInput, BadSettings
from codemonkeys.journal import run_files
from codemonkeys.journal.queries import rows
from codemonkeys.tasks.filtering import parse_filter
from codemonkeys.tasks.predictions import Prediction
from codemonkeys.wording import option

if TYPE_CHECKING:
    from codemonkeys.report.study import Study
    from codemonkeys.selection.rules import Rule

GRADE_CHOICES = ("candidates", "turns")


@dataclass(frozen=True)
class Subset:
    """Which tasks of a run to study."""

    ids: tuple[str, ...] = ()
    filter: str | None = None

    def chooser(self, run: str, tasks: Sequence[dict[str, Any]]) -> Callable[[str], object]:
        """Says of a task whether it is wanted. Raises BadInput where none of the run's tasks is."""
        known, pattern = [task["id"] for task in tasks], parse_filter(self.filter)
        if unknown := [id for id in self.ids if id not in known]:
            raise BadInput(f"run {run!r} has no task {unknown[0]!r}; it has {', '.join(known[:20]) or 'none'}")
        wanted = {id for id in known if (not self.ids or id in self.ids) and pattern.match(id)}
        if known and not wanted:
            raise BadInput(f"no task of run {run!r} is left: none of its {len(known)} matches {option('filter')}")
        return wanted.__contains__


EVERYTHING = Subset()


class GradingPlace(NamedTuple):
    """Where patches without a verdict are graded; the rules themselves are always compared in this process."""

    sandbox: str | None = None
    ray_address: str | None = None


def study_command(
    runs: Path,
    name: str,
    verdicts: Sequence[str],
    grade: str | None,
    figures: Path | None,
    place: GradingPlace,
    as_json: bool,
    subset: Subset = EVERYTHING,
) -> Exit:
    """Study a run, or some of its tasks."""
    if grade is not None:
        if grade not in GRADE_CHOICES:
            raise BadInput(f"--grade {grade}: choose {' or '.join(GRADE_CHOICES)}")
        grade_missing(runs, name, place, earlier=grade == "turns")
    study = open_study(runs, name, verdicts, subset)
    if as_json:
        print_json(asdict(study))
    else:
        print_study(study)
    if figures is not None:
        from codemonkeys.report.figures import write_figures

        files = write_figures(study, figures)
        for path in files:
            say(f"figure written to {path}")
        if not files:
            say("no figure was written: figures need verdicts; give --verdicts FILE or --grade")
    return Exit.DONE


def print_study(study: Study) -> None:
    """Print a study as tables."""
    from codemonkeys.report.study_tables import study_view

    out().print(study_view(study))


def open_study(runs: Path, name: str, verdict_files: Sequence[str], subset: Subset = EVERYTHING) -> Study:
    """Study a run with its stored verdicts and those of files; without any, only what needs no labels."""
    from codemonkeys.report.stored_run import read_run
    from codemonkeys.report.study import study
    from codemonkeys.report.verdict_sources import Verdicts, add_file, add_stored

    with run_files.reading(run_files.database_of(runs, name)) as connection:
        run = read_run(connection, subset.chooser(name, rows(connection, "SELECT id FROM tasks ORDER BY position")))
        verdicts = Verdicts()
        add_stored(verdicts, connection)
    sources = list(dict.fromkeys(source for evidence in run.evidence.values() for source in evidence.sources))
    for file in verdict_files:
        add_file(verdicts, file, sources)
    return study(run, verdicts if verdicts.known else None, rules_for(run.rule))


def rules_for(rule: str) -> dict[str, Rule]:
    """All registered rules, plus the run's own if it is not among them and still loads."""
    from codemonkeys.selection.rules import all_rules, find_rule

    rules = all_rules()
    if rule not in rules:
        try:
            rules[rule] = find_rule(rule)
        except BadSettings as error:
            say(f"skipping the run's own rule: {error}")
    return rules


def grade_missing(runs: Path, name: str, place: GradingPlace, earlier: bool) -> None:
    """Grade every distinct candidate without a verdict with the hidden tests; with `earlier`, earlier edits too."""
    from codemonkeys.cli.evaluating import verdict_printer
    from codemonkeys.grading.service import GradingOptions, grade_run
    from codemonkeys.report.verdict_sources import ungraded

    database = run_files.database_of(runs, name)
    with run_files.reading(database) as connection:
        waiting = ungraded(connection, earlier)
    say(f"{sum(map(len, waiting.values()))} patches of {len(waiting)} tasks have no verdict yet")
    # One patch per task at a time: a harness run takes one prediction per task.
    for number in range(max(map(len, waiting.values()), default=0)):
        predictions = {
            task: Prediction(task, f"patch-{number + 1}", patches[number])
            for task, patches in waiting.items()
            if number < len(patches)
        }
        print_verdict = verdict_printer(len(predictions))
        options = GradingOptions(place.sandbox, ray_address=place.ray_address)
        grade_run(runs, name, None, options, runs / name / "grading", predictions, print_verdict)

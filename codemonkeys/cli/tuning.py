"""`tune`: searches settings on stored, graded runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from codemonkeys.cli.console import out, print_json, say
from codemonkeys.cli.exits import Exit
from codemonkeys.cli.places import holding, option_of
from codemonkeys.errors import BadInput
from codemonkeys.journal import run_files
from codemonkeys.wording import option

if TYPE_CHECKING:
    from codemonkeys.report.resampling import GradedTask
    from codemonkeys.report.tuning import Point, Tuned


def tune_command(
    named: Path | None,
    runs: Sequence[str],
    verdicts: Sequence[str],
    output: Path | None,
    usd: float | None,
    overwrite: bool,
    as_json: bool,
) -> Exit:
    """Search settings on runs, print the frontier, and write the settings of one of its points."""
    from codemonkeys.report.calibration import FEWEST
    from codemonkeys.report.tuning import tune
    from codemonkeys.report.tuning_view import settings_file, settings_of, tuned_view
    from codemonkeys.system.files import write_whole

    if output is not None and output.exists() and not overwrite:
        raise BadInput(f"{output} exists; choose another file, or give --overwrite")
    databases = [run_files.database_of(holding(named, run), run) for run in runs]
    tasks, chosen, priced, ungraded, unfinished = read_graded(databases, verdicts)
    kinds = kinds_of(databases)
    try:
        tuned = tune(tasks, chosen, usd)
    except ValueError as error:
        few = len({task.id for task in tasks}.union(*ungraded, *unfinished)) < FEWEST
        found = [f"{run}{option_of(holding(named, run))}" for run in runs]
        raise BadInput(f"{', '.join(runs)}: {error}; {what_helps(found, ungraded, unfinished, few)}") from None
    point = chosen_point(tuned, usd)
    if as_json:
        print_json(json_of(tuned, None if point is None else settings_of(tuned, point, kinds)))
    else:
        out().print(tuned_view(tuned, priced))
    if output is None:
        return Exit.DONE
    if point is None:
        raise BadInput(why_none(tuned, usd))
    write_whole(output, settings_file(tuned, point, runs, kinds))
    say(f"Settings of {point.config.words()!r} written to {output}; use them with `codemonkeys solve ... -c {output}`.")
    return Exit.DONE


class GradedRuns(NamedTuple):
    """What a search goes by."""

    tasks: list[GradedTask]
    chosen: list[float]
    """For each of them, 1 if what its run chose is right."""
    priced: bool
    """Whether costs are in dollars."""
    ungraded: list[set[str]]
    """By run, tasks of which a candidate has no verdict."""
    unfinished: list[set[str]]
    """By run, tasks that have not ended."""


def what_helps(runs: Sequence[str], ungraded: Sequence[set[str]], unfinished: Sequence[set[str]], few: bool) -> str:
    """What to do about too few graded tasks. `runs`: their names, with the option by which each is found.

    `few`: they stay too few when all runs have ended and are graded.
    """
    steps = [f"go on with `codemonkeys resume {run}`" for run, tasks in zip(runs, unfinished, strict=True) if tasks]
    if to_grade := [run for run, tasks in zip(runs, ungraded, strict=True) if tasks]:
        grade = f"grade their candidates with `codemonkeys study {to_grade[0]} --grade candidates`"
        steps.append(f"{grade}, or give {option('verdicts', 'FILE')}")
    if few:
        steps.append("solve more tasks, or name another run as well")
    return "; ".join(steps)


def read_graded(databases: Sequence[Path], files: Sequence[str]) -> GradedRuns:
    """The graded tasks of runs. Raises BadInput."""
    from codemonkeys.journal.queries import rows
    from codemonkeys.report.resampling import graded_tasks
    from codemonkeys.report.stored_run import read_run
    from codemonkeys.report.verdict_sources import Verdicts, add_file, add_stored

    found = GradedRuns([], [], all(has_prices(database) for database in databases), [], [])
    for database in databases:
        with run_files.reading(database) as connection:
            run, verdicts = read_run(connection), Verdicts()
            add_stored(verdicts, connection)
            for file in files:
                add_file(verdicts, file, list(dict.fromkeys(s for e in run.evidence.values() for s in e.sources)))
            # Of a task that the run has not ended, trajectories and the choice are still to come.
            ended = {*run.choices, *run.without}
            tasks = [task for task in graded_tasks(connection, run, verdicts, found.priced) if task.id in ended]
            waiting = rows(connection, "SELECT id FROM tasks WHERE state IN ('waiting', 'running')")
        found.tasks.extend(tasks)
        numbers = [run.choices.get(task.id) for task in tasks]
        found.chosen.extend(
            float(number is not None and bool(task.verdicts[number]))
            for task, number in zip(tasks, numbers, strict=True)
        )
        found.ungraded.append(set(run.choices) - {task.id for task in tasks})
        found.unfinished.append({row["id"] for row in waiting})
    return found


def kinds_of(databases: Sequence[Path]) -> list[str]:
    """`generation.kinds` of runs, each once if they differ; those of an ensemble say nothing of its members."""
    from codemonkeys.journal.queries import run_row

    found: dict[tuple[str, ...], None] = {}
    for database in databases:
        with run_files.reading(database) as connection:
            settings = run_row(connection)["settings"]
        if "ensemble" not in settings:
            found[tuple(settings.get("generation", {}).get("kinds", ("edit",)))] = None
    return list(*found) if len(found) == 1 else list(dict.fromkeys(kind for kinds in found for kind in kinds))


def has_prices(database: Path) -> bool:
    """Whether the calls of a run have cost anything that is known."""
    with run_files.reading(database) as connection:
        return bool(connection.execute("SELECT 1 FROM costs WHERE cost_usd > 0 LIMIT 1").fetchone())


def chosen_point(tuned: Tuned, usd: float | None) -> Point | None:
    """The point whose settings are written: the best for so much, or the cheapest that is as good as the run."""
    return tuned.cheapest_as_good() if usd is None else tuned.best_within(usd)


def why_none(tuned: Tuned, usd: float | None) -> str:
    """Why no settings can be written."""
    if usd is None:
        return f"no settings resolve as much as the run itself; choose by cost with {option('usd', 'USD')}"
    return f"no settings cost {usd:g} or less per task; the cheapest cost {tuned.frontier[0].usd:.4g}"


def json_of(tuned: Tuned, chosen: dict[str, Any] | None) -> dict[str, Any]:
    """The result as a JSON-able value. `chosen`: the settings of a point."""
    frontier = [{**asdict(each), "config": each.config.words()} for each in tuned.frontier]
    return {**asdict(tuned), "frontier": frontier, "chosen": chosen}

"""`ensemble`: selects one patch per task among other systems' submissions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from codemonkeys.cli.console import Progress, out, print_json, say
from codemonkeys.cli.exits import Exit, exit_of, warn_of_untested
from codemonkeys.cli.places import option_of
from codemonkeys.cli.signals import run_until_stopped
from codemonkeys.cli.solving import settings_given
from codemonkeys.cli.studying import open_study, print_study
from codemonkeys.ensembles.ensemble import Ensemble, read_ensemble
from codemonkeys.ensembles.running import choose
from codemonkeys.errors import BadInput
from codemonkeys.journal import queries, run_files
from codemonkeys.runs.pooled import INSTEAD
from codemonkeys.runs.session import Options, Summary
from codemonkeys.runs.solve import run_name
from codemonkeys.settings import Settings
from codemonkeys.system.files import write_whole
from codemonkeys.tasks.sources import absolute

DEFAULT_RULE = "selection.rule=agreement"
"""What decides where nothing else is asked for."""
MEMBERS = "members.json"
"""File in the run's folder that lists the members and every dropped record."""


@dataclass(frozen=True)
class Inputs:
    """Inputs of an ensemble, as given on the command line."""

    members: Sequence[Path]
    dataset: str
    ids: Sequence[str]
    families: Sequence[str]
    tests: Path | None
    abstain: float = 0.0


@dataclass(frozen=True)
class Outputs:
    """What to write and how to print it."""

    file: Path | None = None
    overwrite: bool = False
    verdicts: Sequence[str] = ()
    as_json: bool = False


def ensemble(
    inputs: Inputs,
    configs: Sequence[str],
    given: dict[str, Any],
    runs: Path,
    name: str | None,
    accept_changes: bool,
    outputs: Outputs,
) -> Exit:
    """Select among submissions, in a new run or one resumed by name."""
    check_output(outputs)
    settings = settings_given([DEFAULT_RULE, *configs], given)
    source = absolute(inputs.dataset)
    members = read_ensemble(source, inputs.ids, inputs.members, inputs.families, inputs.tests, inputs.abstain)
    return carry_out(members, settings, runs, run_name(name), accept_changes, outputs)


def check_output(outputs: Outputs) -> None:
    """Raise BadInput early for an output file that could not be written at the end."""
    file = outputs.file
    if file is not None and file.suffix not in (".json", ".jsonl"):
        raise BadInput(f"-o {file}: predictions are written as .jsonl or .json; use one of these extensions")
    if file is not None and file.exists() and not outputs.overwrite:
        raise BadInput(f"-o {file}: already exists; choose another name, or pass --overwrite")


def carry_out(
    members: Ensemble, settings: Settings, runs: Path, name: str, accept_changes: bool, outputs: Outputs
) -> Exit:
    """Run the session with progress output, and print its results."""
    from codemonkeys.report.ensemble import ensemble_report
    from codemonkeys.report.verdict_sources import Verdicts, add_file
    from codemonkeys.tasks.predictions import Prediction, write_predictions

    for file in outputs.verdicts:  # Unreadable files are refused before any work; the verdicts are discarded here.
        add_file(Verdicts(), file, [member.name for member in members.members])
    with Progress(run_files.run_folder(runs, name)) as progress:
        options = Options(runs, name, accept_changes, progress.notify)
        summary = run_until_stopped(
            lambda stop: choose(members, settings, replace(options, stop=stop)), progress.notify
        )
    code = exit_of(summary)
    with run_files.reading(summary.folder / "run.db") as connection:
        report = ensemble_report(connection, members.members, settings.selection.rule)
        predictions = {row["instance_id"]: Prediction(**row) for row in queries.predictions(connection)}
    write_whole(summary.folder / MEMBERS, json.dumps(report["members"], indent=2) + "\n", mode=0o600)
    if outputs.file is not None:
        write_predictions(outputs.file, predictions)
        say(f"{len(predictions)} predictions written to {outputs.file}")
    study = open_study(runs, name, outputs.verdicts) if outputs.verdicts else None
    if outputs.as_json:
        numbers = {"predicted": summary.predicted, "waiting": summary.waiting, "spent_usd": summary.spent}
        found = {**numbers, "untested": summary.untested, **report}
        values = {"run": name, "folder": str(summary.folder), "exit": int(code), **found}
        print_json(values if study is None else {**values, "study": asdict(study)})
    else:
        print_report(report, summary)
        if study is not None:
            print_study(study)
    warn_of_untested(summary, option_of(runs))
    if code in (Exit.INTERRUPTED, Exit.BUDGET):
        say(f"Resume with: codemonkeys resume {name}{option_of(runs)}")
    return code


def print_report(report: dict[str, Any], summary: Summary) -> None:
    """Print members and choices as tables, and where the details are."""
    from codemonkeys.report.ensemble import choices_table, members_table, mixed_models
    from codemonkeys.report.tables import dollars, plain

    console = out()
    console.print(members_table(report))
    for line in mixed_models(report):
        console.print(plain(line, "yellow"))
    print(
        "Members of one family count as one voice. Families are inferred from names; override with --family NAME=GLOB."
    )
    console.print()
    console.print(choices_table(report))
    console.print()
    for why in sorted({task.reason.partition(INSTEAD)[2] for task in summary.ended if INSTEAD in task.reason}):
        console.print(plain(f"{report['rule']} cannot decide, as {why}: agreement does instead.", "yellow"))
    print(f"Chosen by {report['rule']}. Spent: {dollars(summary.spent)}. Run: {summary.folder}")
    print(f"Dropped records: {summary.folder / MEMBERS}\n")

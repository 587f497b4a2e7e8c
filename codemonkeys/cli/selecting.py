"""`select`: selects anew among the candidates of a stored run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from codemonkeys.cli.console import Progress, out, print_json, say
from codemonkeys.cli.exits import Exit, exit_of
from codemonkeys.cli.places import option_of
from codemonkeys.cli.signals import run_until_stopped
from codemonkeys.cli.solving import without_none
from codemonkeys.journal import run_files
from codemonkeys.report.choices import ChoiceReport, choice_report
from codemonkeys.runs.choice_request import Asked, name_for
from codemonkeys.runs.selecting import choose_again
from codemonkeys.runs.session import Options as SessionOptions
from codemonkeys.runs.session import Summary
from codemonkeys.settings import merge
from codemonkeys.settings.loading import read_configs


@dataclass(frozen=True)
class Options:
    """A choice, as given on the command line."""

    rule: str | None
    name: str | None
    model: str | None
    configs: Sequence[str]
    given: dict[str, Any]
    """Settings that have options of their own."""


def select(runs: Path, run: str, options: Options, accept_changes: bool, as_json: bool) -> Exit:
    """Make a named choice, or go on with one."""
    changes = read_configs(options.configs)
    merge(
        changes, without_none({**options.given, "prompts": options.given["prompts"] and str(options.given["prompts"])})
    )
    asked = Asked(options.rule, options.name, options.model, changes)
    asked = replace(asked, name=asked.name or name_for(asked))
    with Progress(run_files.run_folder(runs, run), by_lines=True) as progress:
        session = SessionOptions(runs, run, accept_changes, progress.notify)
        summary = run_until_stopped(
            lambda stop: choose_again(runs, run, asked, replace(session, stop=stop)), progress.notify
        )
    return finish(summary, runs, str(asked.name), as_json)


def finish(summary: Summary, runs: Path, name: str, as_json: bool) -> Exit:
    """Print what was chosen; returns the exit code."""
    code = exit_of(summary)
    with run_files.reading(summary.folder / "run.db") as connection:
        report = choice_report(connection, name)
    if as_json:
        print_json({"run": summary.run, "folder": str(summary.folder), "exit": int(code), **asdict(report)})
        return code
    print_choice(report)
    if code in (Exit.INTERRUPTED, Exit.BUDGET, Exit.PARTIAL) and report.unfinished:
        say(f"Resume with: codemonkeys select {summary.run} --name {name}{option_of(runs)}")
    else:
        print(f"Next: codemonkeys export {summary.run} --choice {name} -o preds.jsonl{option_of(runs)}")
    return code


def print_choice(report: ChoiceReport) -> None:
    """Print the choice of each task beside the run's own, and what it cost."""
    from codemonkeys.report.choices import choice_table
    from codemonkeys.report.tables import dollars, plain

    console = out()
    console.print(choice_table(report))
    asked = f", asking {report.model}" if report.model else ""
    console.print(plain(f"\nChoice {report.name} by {report.rule}{asked}. {report.sentence}"))
    console.print(plain(f"Spent on it: {dollars(report.cost_usd)}"))

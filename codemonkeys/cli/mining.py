"""`mine`: makes a task repository of a repository's own fixes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

from codemonkeys.cli.console import out, print_json, say
from codemonkeys.cli.exits import Exit
from codemonkeys.errors import BadInput
from codemonkeys.mining.candidates import Mine, MineRequest
from codemonkeys.mining.history import date_of
from codemonkeys.mining.issues import read_issues
from codemonkeys.mining.mining import check_output, mine_tasks, plan
from codemonkeys.mining.report import FAILED, REPORT, TASK, TO_CHECK, Settled
from codemonkeys.wording import counted

HASH = 10
"""Characters of a commit's hash that are shown."""


class MineOptions(NamedTuple):
    """What the user gave."""

    repository: Path
    output: Path | None
    since: str | None
    until: str | None
    issues: Path | None
    limit: int | None
    base: str
    venv: Path | None
    runs: int
    timeout: float


def mine_command(options: MineOptions, yes: bool, dry_run: bool, as_json: bool) -> Exit:
    """List what would be checked; with `yes`, check it and write the tasks."""
    if yes and dry_run:
        raise BadInput("both --yes and --dry-run: give one of them")
    request = request_of(options)
    if options.output is not None:
        check_output(options.output)
    if not yes:
        mine, settled = plan(request, options.output)
        return show_plan(mine, settled, options, as_json)
    if options.output is None:
        raise BadInput("--yes needs a folder to write to; give -o FOLDER")
    settled = mine_tasks(request, options.output, tell)
    return show_result(settled, options.output, as_json)


def request_of(options: MineOptions) -> MineRequest:
    """The request. Raises BadInput."""
    return MineRequest(
        repository=options.repository,
        base=options.base,
        since=date_of(options.since) if options.since is not None else None,
        until=date_of(options.until, last=True) if options.until is not None else None,
        issues=read_issues(options.issues) if options.issues is not None else {},
        limit=options.limit,
        venv=options.venv,
        runs=options.runs,
        seconds=options.timeout,
    )


def tell(found: Settled) -> None:
    """Say what became of a commit."""
    what = f"{found.task} ({counted(found.fail_to_pass, 'test')} to fix)" if found.outcome == TASK else found.reason
    say(f"{found.commit[:HASH]} {found.outcome}: {what}")


def show_plan(mine: Mine, settled: Sequence[Settled], options: MineOptions, as_json: bool) -> Exit:
    """Print what a dry run found."""
    if as_json:
        print_json([asdict(found) for found in settled])
        return Exit.DONE
    print_table(settled)
    checks = sum(found.outcome == TO_CHECK for found in settled)
    done = sum(found.outcome == TASK for found in settled)
    place = str(mine.runtime.venv) if mine.runtime.venv else "the programs of this machine, without packages"
    print(f"{checks} of {len(settled)} commits would be checked{f', {done} are tasks already' if done else ''}.")
    print(f"Tests run by {mine.suite.name}, in {place}: at most {2 * options.runs + 2} runs for each commit.")
    if checks:
        print("Nothing was run or written. To check them, and to write the tasks: add --yes and -o FOLDER.")
    return Exit.DONE


def show_result(settled: Sequence[Settled], output: Path, as_json: bool) -> Exit:
    """Print what came of it."""
    made = sum(found.outcome == TASK for found in settled)
    failed = sum(found.outcome == FAILED for found in settled)
    if as_json:
        print_json([asdict(found) for found in settled])
    else:
        print_table(settled)
        print(f"{counted(made, 'task')} in {output}; {len(settled)} commits were looked at: {output / REPORT}")
        if failed:
            print(f"{failed} could not be checked; run the command again to go on with them.")
        if made:
            print(f"Solve them with: codemonkeys solve {output}")
    if failed:
        return Exit.PARTIAL if made else Exit.FAILED
    return Exit.DONE if made else Exit.NOTHING_SOLVED


def print_table(settled: Sequence[Settled]) -> None:
    """A line for each commit."""
    from codemonkeys.report.tables import new_table, plain

    table = new_table("commit", "date", "subject", "", "issue")
    styles = {TASK: "green", TO_CHECK: "green", FAILED: "red"}
    for found in settled:
        why = f": {found.task or found.reason}" if found.task or found.reason else ""
        cells = (found.commit[:HASH], found.date[:10], found.subject)
        style = styles.get(found.outcome, "")
        table.add_row(*map(plain, cells), plain(f"{found.outcome}{why}", style), plain(found.issue))
    out().print(table)

"""`status`, `export` and `settings`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.live import Live

from codemonkeys.cli.console import out, print_json, say
from codemonkeys.cli.exits import Exit
from codemonkeys.cli.places import holding, places
from codemonkeys.errors import JournalError
from codemonkeys.journal import queries, run_files
from codemonkeys.journal.named_choices import read_as

if TYPE_CHECKING:
    from pydantic import BaseModel

    from codemonkeys.report.run_status import RunStatus

WATCH_SECONDS = 2.0
"""Seconds between two refreshes of `status --watch`."""


def status(named: Path | None, name: str | None, watch: bool, as_json: bool) -> Exit:
    """Print the status of a run, with `watch` until its session ends; without a name, one line per run.

    `named`: the folder of runs that the user names, if any.
    """
    from codemonkeys.journal.caches import cache_use
    from codemonkeys.report.run_status import StatusReader
    from codemonkeys.report.status_view import fitted_view, runs_table, status_view
    from codemonkeys.report.tables import caches_line, missed_caches, plain

    if name is None:
        statuses, unreadable = read_all(places(named))
        if as_json:
            print_json([asdict(run_status) for run_status in statuses])
        elif statuses:
            console = out()
            console.print(runs_table(statuses, console.width))
        elif not unreadable:
            looked = " or ".join(str(runs.absolute()) for runs in places(named))
            say(f"No runs in {looked}; choose another folder with --runs.")
        for error in unreadable:
            say(f"error: {error}")
        return Exit.FAILED if unreadable else Exit.DONE
    reader, console = StatusReader(holding(named, name) / name), out()
    run_status = reader.read()
    if as_json:
        print_json(asdict(run_status))
    elif watch and console.is_terminal:
        with Live(fitted_view(run_status, console), console=console, auto_refresh=False) as live:
            while run_status.owner is not None:
                time.sleep(WATCH_SECONDS)
                run_status = reader.read()
                live.update(fitted_view(run_status, console), refresh=True)
    else:
        console.print(status_view(run_status, width=console.width))
        with run_files.reading(reader.folder / "run.db") as connection:
            caches, spend = cache_use(connection), queries.spend(connection)
        for line in filter(None, (caches_line(caches, spend), *missed_caches(caches))):
            console.print(plain(line))
    return Exit.DONE


def read_all(folders: Sequence[Path]) -> tuple[list[RunStatus], list[JournalError]]:
    """The status of each run in these folders, and why others cannot be read."""
    from codemonkeys.report.run_status import StatusReader

    statuses: list[RunStatus] = []
    unreadable: list[JournalError] = []
    for path in (path for runs in folders for path in sorted(runs.glob("*/run.db"))):
        try:
            statuses.append(StatusReader(path.parent).read())
        except JournalError as error:
            unreadable.append(error)
    return statuses, unreadable


def export(runs: Path, name: str, output: Path, format: str, overwrite: bool, choice: str | None = None) -> Exit:
    """Export a run, or a named choice of it, in one of the formats of `report.exports`."""
    from codemonkeys.report import exports

    path = run_files.database_of(runs, name)
    with run_files.reading(path) as connection:
        if choice is not None:
            read_as(connection, name, choice)
        say(exports.export(connection, path.parent, output, format, overwrite))
    return Exit.DONE


def settings(as_json: bool) -> Exit:
    """List every setting, profile, sandbox, model and rule."""
    from codemonkeys.cli.choices import kinds
    from codemonkeys.report.tables import new_table, plain
    from codemonkeys.settings import Settings
    from codemonkeys.settings.profiles import PROFILES

    rows_of_settings = list(settings_of(Settings, ""))
    if as_json:
        rows = [{"name": name, "default": default, "meaning": meaning} for name, default, meaning in rows_of_settings]
        profiles = {name: profile._asdict() for name, profile in PROFILES.items()}
        choices = {name: kind.names for name, kind in kinds().items()}
        print_json({"settings": rows, "profiles": profiles, "choices": choices})
        return Exit.DONE
    table = new_table("setting", "default", "meaning")
    for name, default, meaning in rows_of_settings:
        table.add_row(plain(name, "bold"), plain(default), plain(meaning))
    out().print(table)
    profiles_table = new_table("profile", "purpose")
    for name, profile in PROFILES.items():
        profiles_table.add_row(plain(name, "bold"), plain(profile.why))
    out().print(profiles_table)
    kinds_table = new_table("kind", "selected by", "names")
    for name, kind in kinds().items():
        names = [*kind.names, kind.also] if kind.also else kind.names
        kinds_table.add_row(plain(name, "bold"), plain(kind.option), plain(", ".join(names)))
    out().print(kinds_table)
    say("Name your own component, in the current folder or an installed package, as module:attribute.")
    say("Use a profile with --profile NAME; explicit settings override it.")
    say("Set a value with -c name=value, a YAML file (-c FILE), or CODEMONKEYS_SECTION__NAME in the environment.")
    return Exit.DONE


def settings_of(section: type[BaseModel], prefix: str) -> list[tuple[str, Any, str]]:
    """(name, default, meaning) of every setting in a section."""
    from pydantic import BaseModel

    from codemonkeys.settings import ModelSettings
    from codemonkeys.settings.section import meanings

    listed: list[tuple[str, Any, str]] = []
    said = meanings(section)
    for name, field in section.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            listed += settings_of(type(default), f"{prefix}{name}.")
        elif f"{prefix}{name}" == "models":
            listed.append((name, default, said.get(name, "")))
            listed += settings_of(ModelSettings, "models.NAME.")
        else:
            listed.append((f"{prefix}{name}", default, said.get(name, "")))
    return listed

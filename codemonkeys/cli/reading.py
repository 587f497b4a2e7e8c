"""`show`, `status`, `export` and `settings`."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from rich.live import Live

from codemonkeys.cli.console import out, print_json, say
from codemonkeys.cli.exits import Exit
from codemonkeys.journal import queries, run_files

WATCH_SECONDS = 2.0
"""Between two looks of `status --watch`."""


def show(runs: Path, name: str, task: str | None, as_json: bool) -> Exit:
    """Show a run, or one of its tasks."""
    from codemonkeys.report.tables import dollars, plain, spend_table, task_view, tasks_table

    with run_files.reading(run_files.database_of(runs, name)) as connection:
        story = queries.task_story(connection, task) if task else queries.run_overview(connection)
    if as_json:
        print_json(story)
        return Exit.DONE
    console = out()
    if task:
        console.print(task_view(story))
        return Exit.DONE
    console.print(plain(f"{story['name']}  {story['source']}  begun {story['created_at']}", "bold"))
    console.print()
    console.print(tasks_table(story["tasks"]))
    console.print()
    console.print(spend_table(story["spend"]))
    if story["tasks"]:
        console.print(plain(f"\nOne task in full: codemonkeys show {name} {story['tasks'][0]['id']}"))
    known = [row["cost_usd"] for row in story["spend"] if row["cost_usd"] is not None]
    console.print(plain(f"Spent: {dollars(sum(known) if known or not story['spend'] else None)}"))
    return Exit.DONE


def status(runs: Path, name: str | None, watch: bool, as_json: bool) -> Exit:
    """Show how a run stands, once or as long as a session works on it; without a name, all runs in a line each."""
    from codemonkeys.report.run_status import Observer
    from codemonkeys.report.status_view import runs_table, status_view

    if name is None:
        found = [Observer(path.parent).look() for path in sorted(runs.glob("*/run.db"))]
        if as_json:
            print_json([asdict(standing) for standing in found])
        elif found:
            out().print(runs_table(found))
        else:
            say(f"There is no run in {runs.absolute()}; another folder of runs is given by --runs.")
        return Exit.DONE
    observer, console = Observer(run_files.database_of(runs, name).parent), out()
    standing = observer.look()
    if as_json:
        print_json(asdict(standing))
    elif watch and console.is_terminal:
        with Live(status_view(standing), console=console, auto_refresh=False) as live:
            while standing.owner is not None:
                time.sleep(WATCH_SECONDS)
                standing = observer.look()
                live.update(status_view(standing, max(3, console.height - 20)), refresh=True)
    else:
        console.print(status_view(standing))
    return Exit.DONE


def export(runs: Path, name: str, output: Path, format: str, overwrite: bool) -> Exit:
    """Write a run as others take it."""
    from codemonkeys.report import exports

    path = run_files.database_of(runs, name)
    with run_files.reading(path) as connection:
        say(exports.export(connection, path.parent, output, format, overwrite))
    return Exit.DONE


def settings(as_json: bool) -> Exit:
    """List every setting, profile, sandbox, model and rule."""
    from codemonkeys.cli.choices import kinds
    from codemonkeys.report.tables import new_table, plain
    from codemonkeys.settings import Settings
    from codemonkeys.settings.profiles import PROFILES

    listed = list(settings_of(Settings, ""))
    if as_json:
        rows = [{"name": name, "default": default, "meaning": meaning} for name, default, meaning in listed]
        profiles = {name: found._asdict() for name, found in PROFILES.items()}
        choices = {name: kind.names for name, kind in kinds().items()}
        print_json({"settings": rows, "profiles": profiles, "choices": choices})
        return Exit.DONE
    table = new_table("setting", "default", "meaning")
    for name, default, meaning in listed:
        table.add_row(plain(name, "bold"), plain(default), plain(meaning))
    out().print(table)
    bought = new_table("profile", "what it buys")
    for name, found in PROFILES.items():
        bought.add_row(plain(name, "bold"), plain(found.why))
    out().print(bought)
    there = new_table("kind", "chosen by", "names")
    for name, kind in kinds().items():
        named = [*kind.names, kind.more] if kind.more else kind.names
        there.add_row(plain(name, "bold"), plain(kind.option), plain(", ".join(named)))
    out().print(there)
    say("One of your own, in a file of the current folder or installed, is named as module:attribute.")
    say("Take a profile with --profile NAME; what else is given counts over it.")
    say("Set one with -c name=value, in a YAML file given by -c FILE, or as CODEMONKEYS_SECTION__NAME.")
    return Exit.DONE


def settings_of(section: type[BaseModel], prefix: str) -> list[tuple[str, Any, str]]:
    """(name, default, meaning) of every setting below a section."""
    listed: list[tuple[str, Any, str]] = []
    for name, field in section.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            listed += settings_of(type(default), f"{prefix}{name}.")
        else:
            listed.append((f"{prefix}{name}", default, field.description or ""))
    return listed

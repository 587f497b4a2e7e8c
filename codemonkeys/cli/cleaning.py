"""`clean`: what sessions that were killed have left on this machine."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import NamedTuple

from codemonkeys.cli.console import out, print_json, say
from codemonkeys.cli.exits import Exit
from codemonkeys.system.files import leftovers
from codemonkeys.tasks.build_once import unfinished
from codemonkeys.tasks.environments import default_home
from sandboxes import cgroups
from sandboxes.base import SandboxError


class Leftover(NamedTuple):
    """Something of ours whose process has died."""

    kind: str
    name: str
    remove: Callable[[], object]


def clean(dry_run: bool, as_json: bool) -> Exit:
    """Remove what has no living owner and is provably ours, or only tell what that is."""
    rows: list[dict[str, str]] = []
    for kind, name, remove in chain(containers(), others()):
        kept = ""
        if not dry_run:
            try:
                remove()
            except (OSError, SandboxError) as error:
                kept = str(error)
        rows.append({"kind": kind, "name": name, "kept": kept})
    if as_json:
        print_json(rows)
    else:
        from codemonkeys.report.tables import new_table, plain

        table = new_table("left by a killed process", "name", "")
        for row in rows:
            table.add_row(row["kind"], plain(row["name"]), plain(row["kept"], "yellow"))
        if rows:
            out().print(table)
        gone = sum(not row["kept"] for row in rows)
        print(
            f"{gone} {'would be removed' if dry_run else 'removed'}. Images are removed by `codemonkeys images clean`."
        )
    return Exit.FAILED if any(row["kept"] for row in rows) else Exit.DONE


def containers() -> Iterator[Leftover]:
    """Containers with our labels, of processes of this machine; none where no engine answers."""
    from docker.errors import DockerException

    from sandboxes.engine import open_engine, orphans, remove

    try:
        engine = open_engine(timeout=60)
    except SandboxError as error:
        say(f"Containers were not looked for: {error}")
        return
    try:
        for found in orphans(engine):
            name = str(found["Names"][0] if found["Names"] else found["Id"]).removeprefix("/")
            yield Leftover("container", name, partial(remove, engine, found["Id"]))
    except DockerException as error:
        say(f"Containers were not all looked at: {error}")
    finally:
        engine.close()


def others() -> Iterator[Leftover]:
    """Control groups, temporary folders, and what was being built."""
    for group in cgroups.orphans(cgroups.parents()):
        yield Leftover("control group", str(group), group.rmdir)
    for folder in leftovers():
        yield Leftover("temporary folder", str(folder), partial(shutil.rmtree, folder))
    for folder in unfinished(default_home()):
        yield Leftover("half-built folder", str(folder), partial(shutil.rmtree, folder))

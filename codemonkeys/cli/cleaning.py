"""`clean`: removes what killed sessions left on this machine."""

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
    """A resource of ours whose owning process is dead."""

    kind: str
    name: str
    remove: Callable[[], object]


def clean(dry_run: bool, as_json: bool) -> Exit:
    """Remove resources that are provably ours and whose owner is dead; with `dry_run`, only list them."""
    rows: list[dict[str, str]] = []
    for kind, name, remove in chain(orphaned_containers(), orphaned_files()):
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
        removed = sum(not row["kept"] for row in rows)
        print(
            f"{removed} {'would be removed' if dry_run else 'removed'}. To remove images: `codemonkeys images clean`."
        )
    return Exit.FAILED if any(row["kept"] for row in rows) else Exit.DONE


def orphaned_containers() -> Iterator[Leftover]:
    """Containers with our labels started by dead processes of this machine; none without an engine."""
    from docker.errors import DockerException

    from sandboxes.engine import open_engine, orphans, remove

    try:
        engine = open_engine(timeout=60)
    except SandboxError as error:
        say(f"Containers were not checked: {error}")
        return
    try:
        for container in orphans(engine):
            name = str(container["Names"][0] if container["Names"] else container["Id"]).removeprefix("/")
            yield Leftover("container", name, partial(remove, engine, container["Id"]))
    except DockerException as error:
        say(f"Not all containers were checked: {error}")
    finally:
        engine.close()


def orphaned_files() -> Iterator[Leftover]:
    """Control groups, temporary folders and unfinished builds."""
    for group in cgroups.orphans(cgroups.parents()):
        yield Leftover("control group", str(group), group.rmdir)
    for folder in leftovers():
        yield Leftover("temporary folder", str(folder), partial(shutil.rmtree, folder))
    for folder in unfinished(default_home()):
        yield Leftover("unfinished build", str(folder), partial(shutil.rmtree, folder))

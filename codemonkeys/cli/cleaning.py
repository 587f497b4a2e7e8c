"""`clean`: removes what killed sessions left on this machine, and what runs on a cluster keep on its nodes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from typing import NamedTuple

from codemonkeys.cli.console import out, print_json, say
from codemonkeys.cli.exits import Exit
from codemonkeys.errors import SandboxUnavailable
from codemonkeys.system.files import leftovers
from codemonkeys.tasks.build_once import unfinished
from codemonkeys.tasks.environments import default_home
from sandboxes import cgroups
from sandboxes.base import SandboxError


class Leftover(NamedTuple):
    """A resource of ours whose owning process is dead, or that was kept for runs to come."""

    kind: str
    name: str
    remove: Callable[[], object]
    needed: str = ""
    """Why it cannot be removed now."""


class Removal(NamedTuple):
    """What became of a leftover."""

    kind: str
    name: str
    kept: str
    """Why it is still there; empty if it was removed, or would be."""
    node: str = ""
    """Of a cluster; empty for this machine."""


def clean(dry_run: bool, as_json: bool, ray_address: str | None = None, sent: bool = False) -> Exit:
    """Remove resources that are provably ours and whose owner is dead; with `dry_run`, only list them.

    `ray_address`: of a cluster, all nodes of which are cleaned too. `sent`: also environments that came to a node.
    """
    removals = clean_here(dry_run, sent)
    if ray_address is not None:
        here = {(removal.kind, removal.name) for removal in removals}
        # A node may be this machine.
        removals += [found for found in clean_nodes(ray_address, dry_run, sent) if (found.kind, found.name) not in here]
    if as_json:
        print_json([removal._asdict() for removal in removals])
    else:
        from codemonkeys.report.tables import new_table, plain

        what = "left over" if sent else "left by a killed process"
        columns = [what, "name", ""] + ["node"] * (ray_address is not None)
        table = new_table(*columns)
        for removal in removals:
            cells = [plain(removal.kind), plain(removal.name), plain(removal.kept, "yellow")]
            table.add_row(*[*cells, plain(removal.node or "this machine")][: len(columns)])
        if removals:
            out().print(table)
        removed = sum(not removal.kept for removal in removals)
        print(
            f"{removed} {'would be removed' if dry_run else 'removed'}. To remove images: `codemonkeys images clean`."
        )
    return Exit.FAILED if any(removal.kept for removal in removals) else Exit.DONE


def clean_here(dry_run: bool, sent: bool = False) -> list[Removal]:
    """Remove what killed processes have left on this machine; `sent`: also environments that were sent to it."""
    removals = []
    kinds = (orphaned_clusters(), orphaned_containers(), orphaned_files(), *([sent_files()] if sent else []))
    for kind, name, remove, kept in chain(*kinds):
        if not dry_run and not kept:
            try:
                remove()
            except (OSError, SandboxError) as error:
                kept = str(error)
        removals.append(Removal(kind, name, kept))
    return removals


def clean_nodes(address: str, dry_run: bool, sent: bool = False) -> Iterator[Removal]:
    """The same on every node of a cluster. Raises SandboxUnavailable."""
    from sandboxes.cluster.everywhere import on_every_node

    try:
        answers = on_every_node(address, clean_here, dry_run, sent)
    except SandboxError as error:
        raise SandboxUnavailable(str(error)) from error
    for node, answer in answers:
        if isinstance(answer, SandboxError):
            yield Removal("node", node, f"was not cleaned: {answer}", node)
        else:
            yield from (found._replace(node=node) for found in answer)


def orphaned_clusters() -> Iterator[Leftover]:
    """Ray clusters of this machine that were started for a command."""
    from sandboxes.cluster import orphans

    for folder in orphans.orphaned_clusters():
        yield Leftover("Ray cluster", str(folder), partial(orphans.end_cluster, folder))


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


def sent_files() -> Iterator[Leftover]:
    """Environments that were sent to this machine as a node of a cluster, and images that were pulled for it."""
    from sandboxes.cluster import holding

    for folder, name, size in holding.sent_environments(default_home()):
        needed = "a run uses it" if holding.in_use(folder) else ""
        what = f"{name} ({size:,.0f} MiB, {folder})"
        yield Leftover("environment", what, partial(holding.remove_sent, folder), needed)

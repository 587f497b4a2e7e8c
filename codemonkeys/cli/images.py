"""`images`: container images for tasks without a published one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from codemonkeys.cli.console import out, print_json, say
from codemonkeys.cli.exits import Exit
from codemonkeys.errors import BadInput, EnvironmentFailed
from codemonkeys.tasks import images, recipes, roots
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.environments import default_home, prepare
from codemonkeys.tasks.recipes import Recipe
from codemonkeys.tasks.sources import load_tasks
from sandboxes.base import Environment, Reason, Sandbox, Script
from sandboxes.docker import DockerSandbox

TOOLS = ("python", "git", "bash", "perl")
LOOK = f"for tool in {' '.join(TOOLS)}; do command -v $tool >/dev/null || echo $tool; done"


def build(source: str, ids: Sequence[str], file: Path | None, given: Recipe, as_json: bool) -> Exit:
    """Build the images of tasks; one that cannot be built keeps no other from it."""
    tasks = load_tasks(source, ids or None)
    for_all, for_one = recipes.load_recipes(file) if file else (Recipe(), {})
    if unknown := sorted(for_one.keys() - {task.id for task in load_tasks(source)}):
        raise BadInput(f"{file}: {source} has no task {unknown[0]}")
    made: dict[str, str] = {}
    failed: dict[str, str] = {}
    with images.engine() as client:
        for task in tasks:
            recipe = recipes.merged(for_all, for_one.get(task.id, Recipe()), given)
            say(f"{task.id}: building")
            try:
                made[task.id] = recipes.build(client, task, recipe)
            except EnvironmentFailed as error:
                failed[task.id] = str(error)
                say(f"{task.id}: {error}")
            else:
                say(f"{task.id}: {made[task.id]}")
    if as_json:
        print_json({"built": made, "failed": failed})
    else:
        print(f"{len(made)} of {len(tasks)} tasks have an image.")
    return Exit.DONE if not failed else Exit.PARTIAL if made else Exit.FAILED


def check(source: str, ids: Sequence[str], as_json: bool) -> Exit:
    """Check the images of tasks: they have the tools; hidden tests fail without a fix and pass with the right one."""
    from codemonkeys.grading.validation import validate

    tasks = {task.id: task for task in load_tasks(source, ids or None)}
    home = default_home()
    problems: dict[str, tuple[str, ...]] = {}
    sandbox = DockerSandbox("images check")
    try:
        for task in tasks.values():
            problems[task.id] = look(task, home, sandbox)
            if not problems[task.id]:
                found = validate(
                    source, {task.id: task}, lambda id: place_of(tasks[id], home), sandbox, home / "checks"
                )
                problems |= found
            say(f"{task.id}: {'; '.join(problems[task.id]) or 'ok'}")
    finally:
        sandbox.close()
    good = sum(not found for found in problems.values())
    if as_json:
        print_json(problems)
    else:
        print(f"{good} of {len(tasks)} images are good. Logs: {home / 'checks'}")
    return Exit.DONE if good == len(tasks) else Exit.PARTIAL if good else Exit.FAILED


def place_of(task: Task, home: Path) -> Environment:
    """The task's environment on the engine."""
    workspace = prepare(task, home, "image")
    workspace.snapshot.close()
    return workspace.environment


def look(task: Task, home: Path, sandbox: Sandbox) -> tuple[str, ...]:
    """What an image lacks before anything can be run in it; it is neither built nor made up for."""
    try:
        environment = place_of(replace(task, folder=None) if task.folder else task, home)
    except EnvironmentFailed as error:
        return (str(error),)
    done = sandbox.run(environment, Script(LOOK, "look.sh", ("bash",)))
    if done.reason is not Reason.EXITED:
        return (f"no script could be run in it: {done.detail or done.reason}",)
    missing = done.output.split()
    return (f"it lacks {', '.join(missing)}",) if missing else ()


class Removal(NamedTuple):
    """Something of ours that takes room."""

    task: str
    what: str
    bytes: int
    kept: str
    """Why it was not removed; empty if it was, or would be."""


def clean(ids: Sequence[str], dry_run: bool, as_json: bool) -> Exit:
    """Remove the images that were built here and the copies of images for the local sandbox; never another's."""
    removals = [*remove_images(set(ids) or None, dry_run), *remove_copies(set(ids) or None, dry_run)]
    if as_json:
        print_json([removal._asdict() for removal in removals])
        return Exit.DONE
    from codemonkeys.report.tables import new_table, plain

    table = new_table("task", "image or copy", "MB", "", numbers=("MB",))
    for task, what, size, kept in removals:
        table.add_row(plain(task), plain(what), f"{size / 1e6:,.0f}", plain(kept, "yellow"))
    out().print(table)
    gone = [removal.bytes for removal in removals if not removal.kept]
    verb = "would be removed" if dry_run else "removed"
    print(f"{len(gone)} {verb}, {sum(gone) / 1e6:,.0f} MB with layers that images share.")
    return Exit.DONE


def remove_images(tasks: set[str] | None, dry_run: bool) -> Iterator[Removal]:
    """Images on the engine."""
    from docker.errors import DockerException

    with images.engine() as client:
        for ours in images.images_of_ours(client, tasks):
            kept = ""
            if not dry_run:
                try:
                    client.images.remove(ours.id, force=True)
                except DockerException as error:
                    kept = str(error)
            yield Removal(ours.task, ", ".join(ours.names) or ours.id, ours.bytes, kept)


def remove_copies(tasks: set[str] | None, dry_run: bool) -> Iterator[Removal]:
    """Copies of images in the home folder."""
    for folder, (task, size) in roots.copies(default_home(), tasks).items():
        if not dry_run:
            shutil.rmtree(folder, ignore_errors=True)
        kept = "it could not be removed" if not dry_run and folder.exists() else ""
        yield Removal(task, str(folder), size, kept)

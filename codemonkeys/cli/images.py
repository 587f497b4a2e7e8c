"""`images`: builds, checks and removes container images for tasks without a published one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from codemonkeys.cli.console import out, print_json, say
from codemonkeys.cli.exits import Exit
from codemonkeys.errors import BadInput, EnvironmentFailed
from codemonkeys.system.programs import worker_threads
from codemonkeys.tasks import images, recipes, roots
from codemonkeys.tasks.backends import BACKENDS, CHOICES, check_address, choose_backend
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.environments import default_home, environment_of
from codemonkeys.tasks.recipes import Recipe
from codemonkeys.tasks.sources import load_tasks
from sandboxes.base import Backend, EnvironmentKind, Reason, Sandbox, Script

TOOLS = ("bash", "git", "perl")


def build(source: str, ids: Sequence[str], file: Path | None, overrides: Recipe, as_json: bool) -> Exit:
    """Build the images of tasks; one failed build does not stop the others."""
    tasks = load_tasks(source, ids or None)
    for_all, for_one = recipes.load_recipes(file) if file else (Recipe(), {})
    if unknown := sorted(for_one.keys() - {task.id for task in load_tasks(source)}):
        raise BadInput(f"{file}: {source} has no task {unknown[0]}")
    built: dict[str, str] = {}
    failed: dict[str, str] = {}
    with images.engine() as client:
        for task in tasks:
            recipe = recipes.merged(for_all, for_one.get(task.id, Recipe()), overrides)
            say(f"{task.id}: building")
            try:
                built[task.id] = recipes.build(client, task, recipe)
            except EnvironmentFailed as error:
                failed[task.id] = str(error)
                say(f"{task.id}: {error}")
                if error.output:
                    say(f"All of its output:\n{error.output}")
            else:
                say(f"{task.id}: {built[task.id]}")
    if as_json:
        print_json({"built": built, "failed": failed})
    else:
        print(f"{len(built)} of {len(tasks)} tasks have an image.")
    return Exit.DONE if not failed else Exit.PARTIAL if built else Exit.FAILED


class CheckPlace(NamedTuple):
    """Where the hidden tests of environments run."""

    sandbox: str = "docker"
    """With `local` the environments that it builds are validated."""
    ray_address: str | None = None


def check(
    source: str,
    ids: Sequence[str],
    as_json: bool,
    scripts: Path | None = None,
    place: CheckPlace = CheckPlace(),  # noqa: B008 (it cannot be changed)
    workers: int | None = None,
) -> Exit:
    """Validate images: the tools exist, and the hidden tests fail without a fix and pass with the reference fix.

    `workers`: tasks at a time; None: one, or on a cluster as many as fit.
    """
    from codemonkeys.grading.service import open_sandbox, tasks_at_a_time, way_grader_on_nodes
    from codemonkeys.grading.validation import open_validator

    check_address(place.sandbox, place.ray_address)
    tasks = {task.id: replace(task, hidden="") for task in load_tasks(source, ids or None)}
    home = default_home()
    problems: dict[str, tuple[str, ...]] = {}
    backend = _backend(place.sandbox, list(tasks.values()), home)
    sandbox, kind = open_sandbox(backend, "images check", place.ray_address), backend.environment

    def look(task: Task) -> tuple[str, ...]:
        return missing_tools(task, home, sandbox, kind) or validator.problems(task.id)

    try:
        found = (source, list(tasks), lambda id: environment_of(tasks[id], home, kind), sandbox)
        validator = open_validator(*found, home / "checks", scripts, way_grader_on_nodes(sandbox, kind, tasks))
        with worker_threads(workers or tasks_at_a_time(sandbox) or 1, "check", sandbox.close) as submit:
            asked = {id: submit(partial(look, task)) for id, task in tasks.items()}
            for id, done in asked.items():
                problems[id] = done.result()
                say(f"{id}: {'; '.join(problems[id]) or 'ok'}")
    finally:
        sandbox.close()
    good = sum(not reasons for reasons in problems.values())
    if as_json:
        print_json(problems)
    else:
        what = "images" if kind == "image" else "environments"
        print(f"{good} of {len(tasks)} {what} are good. Logs: {home / 'checks'}")
    return Exit.DONE if good == len(tasks) else Exit.PARTIAL if good else Exit.FAILED


def _backend(name: str, tasks: Sequence[Task], home: Path) -> Backend:
    """The backend that is asked for; what speaks against one task is told of that task."""
    if name in CHOICES:
        return choose_backend(name, tasks, home)[1]
    backend = BACKENDS.get(name)
    if backend.environment == "folders" and (why := backend.unavailable()):
        raise EnvironmentFailed(f"the sandbox {name} cannot be used here: {why}")
    return backend


def missing_tools(task: Task, home: Path, sandbox: Sandbox, kind: EnvironmentKind = "image") -> tuple[str, ...]:
    """Problems that keep a task's image from running scripts; nothing is built or repaired."""
    try:
        published = kind == "image" and task.folder and task.image
        environment = environment_of(replace(task, folder=None) if published else task, home, kind)
    except EnvironmentFailed as error:
        return (str(error),)
    tools = " ".join((*(["python"] if task.language == "python" else []), *TOOLS))
    look = f"for tool in {tools}; do command -v $tool >/dev/null || echo $tool; done"
    done = sandbox.run(environment, Script(look, "look.sh", ("bash",)))
    if done.reason is not Reason.EXITED:
        return (f"no script could run in it: {done.detail or done.reason}",)
    missing = done.output.split()
    return (f"it lacks {', '.join(missing)}",) if missing else ()


class Removal(NamedTuple):
    """An image or image copy of ours that occupies disk space."""

    task: str
    what: str
    bytes: int
    kept: str
    """Why it was not removed; empty if it was, or would be."""


def clean(ids: Sequence[str], dry_run: bool, as_json: bool) -> Exit:
    """Remove images built here and the local sandbox's image copies, and nothing else."""
    removals = [*remove_images(set(ids) or None, dry_run), *remove_copies(set(ids) or None, dry_run)]
    if as_json:
        print_json([removal._asdict() for removal in removals])
        return Exit.DONE
    from codemonkeys.report.tables import new_table, plain

    table = new_table("task", "image or copy", "MB", "", numbers=("MB",))
    for task, what, size, kept in removals:
        table.add_row(plain(task), plain(what), f"{size / 1e6:,.0f}", plain(kept, "yellow"))
    out().print(table)
    removed = [removal.bytes for removal in removals if not removal.kept]
    verb = "would be removed" if dry_run else "removed"
    print(f"{len(removed)} {verb}, {sum(removed) / 1e6:,.0f} MB including shared layers.")
    return Exit.DONE


def remove_images(tasks: set[str] | None, dry_run: bool) -> Iterator[Removal]:
    """Remove images from the container engine."""
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
    """Remove image copies from the home folder."""
    for folder, (task, size) in roots.copies(default_home(), tasks).items():
        if not dry_run:
            shutil.rmtree(folder, ignore_errors=True)
        kept = "could not be removed" if not dry_run and folder.exists() else ""
        yield Removal(task, str(folder), size, kept)

"""Sleep-time compute (arXiv 2504.13171): digests of repositories, made ahead of any issue, at a budget of their own."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codemonkeys.context.changed_together import partners_of
from codemonkeys.context.digest_calls import DEFINITIONS
from codemonkeys.context.digests import describe, parts_of
from codemonkeys.context.reading import source_files
from codemonkeys.context.survey import look
from codemonkeys.engine.steps import Steps
from codemonkeys.engine.work import Work
from codemonkeys.errors import BadInput, UnknownDataset
from codemonkeys.journal import run_files
from codemonkeys.journal.queries import rows
from codemonkeys.runs.no_sandbox import NOWHERE, NoSandbox
from codemonkeys.runs.outcomes import Digested
from codemonkeys.runs.runner import Prepare, open_work
from codemonkeys.runs.session import Options, RunRequest, Summary, Workplace, open_session
from codemonkeys.runs.solve import request_of
from codemonkeys.settings import Settings, build
from codemonkeys.stages import DIGEST
from codemonkeys.tasks.backends import choose_backend
from codemonkeys.tasks.base import Checkout, Task, Workspace
from codemonkeys.tasks.environments import default_home, prepare
from codemonkeys.tasks.local_snapshot import local_snapshot
from codemonkeys.tasks.own_issue import language_of, root_of, scope_of
from codemonkeys.tasks.snapshot import Snapshot
from codemonkeys.tasks.sources import find_source, task_repository
from codemonkeys.wording import option

INPUT = "sleep"
"""Stored with the settings of such a run, so that it is resumed as one."""


def repository_of(source: str) -> Path | None:
    """The folder of a git repository that a source names; None for a dataset."""
    folder = Path(source).expanduser()
    # Most repositories hold files that could be rows of a dataset; a task repository is mostly one of git too.
    if (folder / ".git").exists():
        return None if task_repository.SOURCE.claims(source) else folder
    try:
        find_source(source)
    except UnknownDataset:
        return folder if folder.is_dir() else None
    return None


def tasks_to_read(
    source: str | Path | Sequence[Task], filtered: bool, bases: Sequence[str], scope: str
) -> str | Path | Sequence[Task]:
    """Commits of the repository that a source names, as tasks; any other source as it is.

    `filtered`: tasks are chosen among those of a dataset. Raises BadInput for what does not fit the source, and
    EnvironmentFailed.
    """
    repository = repository_of(str(source)) if isinstance(source, str | Path) else None
    if repository is None and (bases or scope):
        raise BadInput(f"{option('bases')} and {option('scope')} are for the folder of a git repository")
    if repository is not None and filtered:
        raise BadInput(f"{source} is a repository: which of its commits to read is said by {option('bases')}")
    return source if repository is None else commits_of(repository, bases, scope)


def commits_of(repository: Path, bases: Sequence[str], scope: str = "") -> list[Task]:
    """Commits of a repository as tasks without an issue; HEAD if none is named. Raises BadInput, EnvironmentFailed."""
    given = repository.expanduser().resolve()
    root, found = root_of(given), dict[str, Task]()
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", root.name).strip("-")[:80] or "repository"
    for base in bases or ["HEAD"]:
        with Snapshot.of_repository(root, base) as snapshot:
            folder = scope_of(root, given, scope, snapshot)
            language = language_of(snapshot.within(folder).entries)
            id = f"{name}-{snapshot.commit[:12]}"
            found[id] = Task(id, name, snapshot.commit, "", language, checkout=Checkout(root), scope=folder)
    return list(found.values())


def settings_to_sleep(settings: Settings) -> Settings:
    """The settings with the scan model alone, reading digests."""
    values = settings.model_dump(mode="json")
    values |= {"model": settings.scan_model or settings.model, "scan_model": None}
    values["context"]["mode"] = "digest"
    values["generation"] |= {"kinds": ["edit"], "models": []}
    values["selection"]["model"] = None
    return build(values)


def request_to_sleep(
    tasks: str | Path | Sequence[Task], settings: Settings, ids: Sequence[str], runs: Path, name: str
) -> RunRequest:
    """The request to make digests of the repositories of tasks, at their base commits. Raises BadInput and its kin."""
    return as_sleep(request_of(tasks, settings_to_sleep(settings), ids, runs, name))


def as_sleep(request: RunRequest) -> RunRequest:
    """A request about the same tasks that only makes digests."""
    workplace = Workplace("none", NoSandbox(), reading(default_home()))
    return replace(request, inputs={**request.inputs, INPUT: True}, workplace=workplace)


def reading(home: Path) -> Prepare:
    """Prepares a task to be read: from what is on this machine, or else as for solving it."""

    def prepare_to_read(task: Task) -> Workspace:
        if (snapshot := local_snapshot(task, home)) is not None:
            return Workspace(task, snapshot, NOWHERE)
        _, backend = choose_backend("auto", [task], home)
        return replace(prepare(task, home, backend.environment), environment=NOWHERE)

    return prepare_to_read


async def sleep(request: RunRequest, options: Options) -> Summary:
    """Make the digests of a request, in a run that is begun or resumed. Raises as `solve`."""
    async with open_session(request, options) as session:
        return session.summary(await session.run(make_digests, opening=open_to_read))


async def open_to_read(task: Task, settings: Settings, steps: Steps, prepare: Prepare) -> Work:
    """A task in work, whose snapshot is to be closed. Nothing of its repository is executed."""
    workspace = await steps.in_thread(prepare, task)
    try:
        return await steps.in_thread(open_work, workspace, settings, steps)
    except BaseException:
        workspace.snapshot.close()
        raise


async def make_digests(work: Work) -> Digested:
    """Have the digests of a repository made, as far as they are not stored, and read its history."""
    found = await work.in_thread(look, work.task, work.snapshot, work.settings.context)
    files = await work.in_thread(source_files, work, found)
    parts = await work.in_thread(lambda: [parts_of(file) for file in files])
    await describe(work, parts)
    await partners_of(work, [file.path for file in files])
    reuse = Reuse.of_note(work.journal.note(work.task.id, DIGEST.name, 0, DEFINITIONS.plan))
    return Digested(f"{len(files)} files: {reuse}")


@dataclass(frozen=True)
class Reuse:
    """What became of the definitions of a repository at a commit."""

    definitions: int
    asked: int
    """So long that a model describes them."""
    known: int
    """Of these, described before."""
    unread: int
    """Of these, without a usable answer; they speak for themselves."""

    @classmethod
    def of_note(cls, note: dict[str, Any]) -> Reuse:
        """From the note that holds the plan."""
        return cls(note["definitions"], note["asked"], note["known"], len(note["unread"]))

    def __str__(self) -> str:
        """In one line."""
        new = self.asked - self.known - self.unread
        return (
            f"{self.definitions} definitions, {self.asked} of them long: {self.known} were described before, "
            f"{new} now{f', {self.unread} could not be' if self.unread else ''}"
        )


def reuse_of(folder: Path) -> dict[str, Reuse]:
    """The reuse of each task of a run that has a plan, in its order."""
    query = (
        "SELECT task, body FROM notes JOIN tasks ON tasks.id = notes.task WHERE (stage, kind) = (?, ?) "
        "ORDER BY tasks.position"
    )
    with run_files.reading(folder / "run.db") as connection:
        found = rows(connection, query, DIGEST.name, DEFINITIONS.plan)
    return {row["task"]: Reuse.of_note(json.loads(row["body"])) for row in found}

"""One issue solved in a container of another program, which gets the patch, and is told what it cost."""

from __future__ import annotations

import asyncio
import hashlib
import re
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from codemonkeys.embedding.containers import LIBRARY, AsyncContainer, ForeignContainer
from codemonkeys.embedding.repository import apply_patch, find_repository, take_snapshot
from codemonkeys.engine.stop import Stop
from codemonkeys.errors import ExecutionFailed
from codemonkeys.journal import queries, run_files
from codemonkeys.report.atif import trajectory
from codemonkeys.report.calibration import calibrated
from codemonkeys.report.harbor_job import used
from codemonkeys.runs.outcomes import FINAL, State
from codemonkeys.runs.session import Options, Workplace
from codemonkeys.runs.solve import request_of, solve
from codemonkeys.settings import Settings
from codemonkeys.tasks.base import Task, Workspace
from codemonkeys.tasks.environments import ACTIVATE
from codemonkeys.tasks.own_issue import language_of
from sandboxes.base import Environment, SandboxError
from sandboxes.kept import KeptSandbox

RUN = "codemonkeys"
"""Name of the run in the folder that the other program gives."""


class Issue(NamedTuple):
    """What is to be solved."""

    name: str
    text: str
    workdir: str | None = None
    """Folder of the repository in the container; None: that in which commands begin."""


class Embedded:
    """One run in one container."""

    def __init__(self, issue: Issue, settings: Settings, folder: Path) -> None:
        """`folder`: keeps the run, which other commands read: `codemonkeys show codemonkeys --runs FOLDER`."""
        self.id = re.sub(r"[^A-Za-z0-9_.-]+", "-", issue.name).strip("-.")[:80] or "task"
        self._issue, self._settings, self._folder = issue, settings, folder

    async def solve(self, container: AsyncContainer) -> str:
        """Solve the issue and apply the patch in the container; returns the patch, empty if there is none.

        Raises BadInput and its kin, and ExecutionFailed where something but the model is to blame that there is no
        patch. If this is cancelled, nothing is applied; `told` says what it has cost.
        """
        stop, loop = Stop(), asyncio.get_running_loop()
        working = loop.run_in_executor(None, self._solve, container, loop, stop)
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            stop.abort()
            with suppress(Exception):
                await working
            raise

    def told(self) -> dict[str, Any]:
        """What the run has used so far and its trajectory; empty if it has not begun."""
        database = run_files.run_folder(self._folder, RUN) / "run.db"
        if not database.exists():
            return {}
        with run_files.reading(database) as connection:
            story = queries.task_story(connection, self.id)
            models: dict[str, list[dict[str, Any]]] = {row["model"]: [] for row in story["spend"]}
            for row in story["spend"]:
                models[row["model"]].append(row)
            return {
                **used(story["spend"]),
                "model_usage": {model: used(rows) for model, rows in models.items()},
                "state": story["state"],
                "trajectory": trajectory(connection, self.id),
            }

    def _solve(self, given: AsyncContainer, loop: asyncio.AbstractEventLoop, stop: Stop) -> str:
        """In a thread with an event loop of its own: what it awaits of the container runs in the other one."""
        container = ForeignContainer(given, loop)
        place = find_repository(container, self._issue.workdir)
        with tempfile.TemporaryDirectory(prefix="codemonkeys-") as scratch:
            with take_snapshot(container, place, Path(scratch)) as snapshot:
                task = Task(
                    *(self.id, place.rpartition("/")[2], snapshot.commit, self._issue.text),
                    language=language_of(snapshot.entries),
                    workdir=place,
                )
                digest = hashlib.sha256(f"{place}\0{snapshot.commit}".encode()).hexdigest()[:16]
            environment = Environment(f"{RUN}-{digest}", repository=place, activate=ACTIVATE)

            def prepare(task: Task) -> Workspace:
                from codemonkeys.tasks.snapshot import Snapshot

                return Workspace(task, Snapshot.of_repository(Path(scratch, "git")), environment)

            settings = calibrated(self._settings, [self._folder])
            request = request_of([task], settings, (), self._folder, RUN)
            workplace = Workplace("container", KeptSandbox(container), prepare)
            options = Options(self._folder, RUN, stop=stop)
            summary = asyncio.run(solve(replace(request, workplace=workplace), options))
            patch = self._patch()
            if patch:
                apply_patch(container, place, patch)
            with suppress(SandboxError):
                container.exec(["rm", "-rf", LIBRARY], 60)
        for result in summary.ended:
            if result.state not in (*FINAL, State.OVER_BUDGET):
                raise ExecutionFailed(f"{self.id}: {result.state}: {result.reason}")
        return patch

    def _patch(self) -> str:
        with run_files.reading(run_files.database_of(self._folder, RUN)) as connection:
            return "".join(row["model_patch"] or "" for row in queries.predictions(connection))


def configs_of(given: str | Sequence[str]) -> list[str]:
    """Settings as YAML files and `key=value` pairs; a text may hold several, separated by semicolons."""
    return [part.strip() for part in given.split(";") if part.strip()] if isinstance(given, str) else list(given)

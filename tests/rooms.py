"""A task in work, for tests of single stages."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from codemonkeys.engine.work import Work
from codemonkeys.journal import queries, run_files
from codemonkeys.models.base import Model, Request
from codemonkeys.models.fake import Called
from codemonkeys.pipeline import solve_task
from codemonkeys.prompting import Prompts
from codemonkeys.selection.control_scripts import TITLE
from codemonkeys.settings import load_settings
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Execution, Reason, Sandbox
from tests.fakes import PLACE, TASK, AnsweringModel, AnsweringSandbox, open_steps

MARKER = "0123abcd"


def present(script: str, patch: str | None) -> Execution:
    """Every script finds the issue in the unedited code, and not with any patch; every control ends as it must."""
    return Execution(Reason.EXITED, 2 if patch is None or script.startswith(TITLE) else 0, output="ran")


@contextmanager
def room(
    tmp_path: Path,
    snapshot: Snapshot,
    answer: Callable[[Request], str | Called],
    run: Callable[[str, str | None], Execution] = present,
    sandbox: Sandbox | None = None,
    answering: Model | None = None,
    **given: Any,
) -> Iterator[Work]:
    """A task in work on a snapshot. The model is a function, and so is the sandbox, where none is given.

    Such a sandbox is not asked about controls: all end as they must.
    """

    def controlled(script: str, patch: str | None) -> Execution:
        return Execution(Reason.EXITED, 2) if script.startswith(TITLE) else run(script, patch)

    steps = open_steps(tmp_path, answering or AnsweringModel(answer), sandbox or AnsweringSandbox(controlled))
    prompts = Prompts(MARKER, None, {"repo": TASK.repo, "issue": TASK.issue})
    try:
        yield Work(TASK, snapshot, PLACE, load_settings(**given), prompts, steps)
    finally:
        steps.journal.close()


def rendered_values(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """The names of the values with which each template is rendered from now on."""
    found: dict[str, set[str]] = {}
    render = Prompts.__call__

    def noting(self: Prompts, name: str, **values: Any) -> str:
        found.setdefault(name, set()).update(values)
        return render(self, name, **values)

    monkeypatch.setattr(Prompts, "__call__", noting)
    return found


def solve_in_room(
    tmp_path: Path,
    snapshot: Snapshot,
    answer: Callable[[Request], str],
    run: Callable[[str, str | None], Execution] = present,
    **given: Any,
) -> tuple[list[Request], dict[str, Any]]:
    """All requests of a run of the pipeline, and what its journal has of the task, with the choice."""
    with room(tmp_path, snapshot, answer, run, **given) as work:
        choice = asyncio.run(solve_task(work))
        requests = list(work.models.primary.requests)  # type: ignore[attr-defined]
    with run_files.reading(work.journal.folder / "run.db") as connection:
        return requests, {**queries.task_story(connection, TASK.id), "choice": choice}

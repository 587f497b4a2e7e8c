"""A run that went through the whole pipeline with the fake model and a sandbox that is a function."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from codemonkeys.engine.steps import Steps
from codemonkeys.journal.digest_store import DigestStore
from codemonkeys.journal.store import Journal
from codemonkeys.models.base import Price, Request
from codemonkeys.models.dry_run import answer
from codemonkeys.models.fake import FakeModel
from codemonkeys.models.roles import ModelSet
from codemonkeys.runs.runner import run_tasks
from codemonkeys.settings import Settings, load_settings
from codemonkeys.tasks.base import Task, Workspace
from codemonkeys.tasks.snapshot import Snapshot
from tests.fakes import PLACE, TASK, AnsweringSandbox
from tests.rooms import present

PRICE = Price(3e-6, 15e-6, 0.3e-6, 3.75e-6)


def finish_run(
    runs: Path,
    repository: Path,
    tasks: int = 1,
    answered: Callable[[Request], str] = answer,
    **given: Any,
) -> Settings:
    """Leave the run `runs/run` of some equal tasks on a repository; returns its settings."""
    settings = load_settings(model="fake", **given)
    journal = Journal(runs, "run", "source", {"ids": [], **settings.model_dump(mode="json")})
    model = FakeModel(answered, PRICE)
    digests = DigestStore(settings.context.digests or runs / "digests.db")
    steps = Steps(journal, ModelSet(model, model), AnsweringSandbox(present), settings.operation, digests=digests)

    def prepare(task: Task) -> Workspace:
        return Workspace(task, Snapshot.of_repository(repository), PLACE)

    try:
        asyncio.run(run_tasks([replace(TASK, id=f"owner__name-{n}") for n in range(tasks)], settings, steps, prepare))
    finally:
        digests.close()
        journal.close()
    return settings

"""What one task of an ensemble goes through: candidates that apply, test scripts, evidence, a decision."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from codemonkeys.engine.work import Work
from codemonkeys.ensembles.members import LARGEST, Member
from codemonkeys.errors import BadInput
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.patch import check_patch
from codemonkeys.generation.trajectories import attempt_test
from codemonkeys.journal.store import Journal
from codemonkeys.selection.deciding import Choice, select
from codemonkeys.selection.text_equivalence import text_classes
from codemonkeys.selection.votes import record_candidates
from codemonkeys.tasks.base import Task
from codemonkeys.wording import option

SUFFIXES = (".py", ".sh")
"""Of test scripts in a folder: Python for Python repositories, a shell script for others."""


@dataclass(frozen=True)
class GivenTests:
    """Test scripts that somebody wrote: `FOLDER/<task id>/*.py`, each ending with 0 (fixed) or 2 (issue present)."""

    folder: Path | None = None
    scripts: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """By task, in the order of their file names."""

    @property
    def sha256(self) -> str:
        """Of all scripts, by which a resumed run knows that they are still the same."""
        return hashlib.sha256(repr(sorted(self.scripts.items())).encode("utf-8", "replace")).hexdigest()


def read_tests(folder: Path, tasks: Sequence[Task]) -> GivenTests:
    """The test scripts of a folder. Raises BadInput if it has none for any of the tasks."""
    found: dict[str, tuple[str, ...]] = {}
    for task in tasks:
        files = sorted(path for path in (folder / task.id).glob("*") if path.suffix in SUFFIXES and path.is_file())
        try:
            scripts = tuple(path.read_text("utf-8") for path in files if path.stat().st_size <= LARGEST)
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(f"{option('tests', str(folder))}: a script of {task.id} cannot be read: {error}") from None
        if scripts:
            found[task.id] = scripts
    if not found:
        raise BadInput(f"{option('tests', str(folder))}: it has no test scripts; expected {folder}/<task id>/*.py")
    return GivenTests(folder, found)


def candidates_of(members: Sequence[Member], task: str) -> list[Candidate]:
    """What the members submitted for a task, in their order."""
    return [
        Candidate(sample, member.patches[task], "", approved=True, source=member.name, family=member.family)
        for sample, member in enumerate(members)
        if task in member.patches
    ]


def ensemble_solver(members: Sequence[Member], given: GivenTests) -> Callable[[Work], Awaitable[Choice | None]]:
    """Takes a task through the ensemble; None if no member has a patch for it that applies."""

    async def solve_by_members(work: Work) -> Choice | None:
        everyone = candidates_of(members, work.task.id)
        candidates = await those_that_apply(work, everyone)
        if not candidates:
            return None
        return await select(work, candidates, await scripts_of(work, candidates, given))

    return solve_by_members


async def those_that_apply(work: Work, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates that git applies to the snapshot; the others are noted."""

    def check() -> list[str | None]:
        return [check_patch(work.snapshot, candidate.patch) for candidate in candidates]

    whys = await work.in_thread(check)
    refused = [{"source": c.source, "why": why} for c, why in zip(candidates, whys, strict=True) if why]
    if refused:
        await work.note("ensemble", "does not apply", refused)
    return [candidate for candidate, why in zip(candidates, whys, strict=True) if not why]


async def scripts_of(work: Work, candidates: Sequence[Candidate], given: GivenTests) -> tuple[str, ...]:
    """Test scripts that were given, or those that a model writes if one is named; none where nothing is to be told."""
    if given.folder is not None:
        return given.scripts.get(work.task.id, ())
    if work.settings.model is None or len({candidate.patch for candidate in candidates}) < 2:
        return ()
    async with asyncio.TaskGroup() as group:
        tests = [group.create_task(attempt_test(work, s)) for s in range(work.settings.generation.samples)]
    return tuple(test.text for task in tests if (test := task.result()) is not None)


def put_candidates(journal: Journal, members: Sequence[Member], tasks: Sequence[Task]) -> None:
    """Record every task's candidates, compared by their text alone: there is no codebase to apply them to."""
    for task in tasks:
        candidates = candidates_of(members, task.id)
        record_candidates(journal, task.id, candidates, text_classes([candidate.patch for candidate in candidates]))

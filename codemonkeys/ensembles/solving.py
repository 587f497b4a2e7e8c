"""Solves one task of an ensemble: candidates that apply, test scripts, evidence, decision."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from codemonkeys.engine.work import Work
from codemonkeys.ensembles.applying import applied_candidates
from codemonkeys.ensembles.members import LARGEST, Member
from codemonkeys.errors import BadInput
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.trajectories import attempt_test, excerpt_of
from codemonkeys.journal.store import Journal
from codemonkeys.selection.conversation import touched_files
from codemonkeys.selection.deciding import Choice, select
from codemonkeys.selection.text_equivalence import text_classes
from codemonkeys.selection.votes import record_candidates
from codemonkeys.tasks.base import Task
from codemonkeys.wording import option

SUFFIXES = (".py", ".sh")
"""Suffixes of test scripts: Python for Python repositories, shell for others."""


@dataclass(frozen=True)
class GivenTests:
    """User-supplied test scripts: `FOLDER/<task id>/*.py`, each exiting with 0 (fixed) or 2 (issue present)."""

    folder: Path | None = None
    scripts: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """By task, ordered by file name."""

    @property
    def sha256(self) -> str:
        """Hash of all scripts, to detect changes when a run is resumed."""
        return hashlib.sha256(repr(sorted(self.scripts.items())).encode("utf-8", "replace")).hexdigest()


def read_tests(folder: Path, tasks: Sequence[Task]) -> GivenTests:
    """The test scripts in a folder. Raises BadInput if there are none for any of the tasks."""
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
        raise BadInput(f"{option('tests', str(folder))}: no test scripts found; expected {folder}/<task id>/*.py")
    return GivenTests(folder, found)


def candidates_of(members: Sequence[Member], task: str) -> list[Candidate]:
    """The members' candidates for a task, in member order."""
    return [
        Candidate(sample, member.patches[task], "", approved=True, source=member.name, family=member.family)
        for sample, member in enumerate(members)
        if task in member.patches
    ]


def ensemble_solver(members: Sequence[Member], given: GivenTests) -> Callable[[Work], Awaitable[Choice | None]]:
    """Returns a solver for one task; it returns None if no member has a patch that applies."""

    async def solve_by_members(work: Work) -> Choice | None:
        if given.folder is not None:  # Those scripts are Python or Bash.
            work.own_script = None
        candidates = await applied_candidates(work, candidates_of(members, work.task.id))
        if not candidates:
            return None
        return await select(work, candidates, await test_scripts_for(work, candidates, given))

    return solve_by_members


async def test_scripts_for(work: Work, candidates: Sequence[Candidate], given: GivenTests) -> tuple[str, ...]:
    """The given test scripts, or model-written ones if a model is set; none for fewer than two distinct patches."""
    if given.folder is not None:
        return given.scripts.get(work.task.id, ())
    if work.settings.model is None or len({candidate.patch for candidate in candidates}) < 2:
        return ()
    touched = touched_files(work, [candidate.patch for candidate in candidates])
    excerpt = await excerpt_of(work, touched)
    async with asyncio.TaskGroup() as group:
        tests = [group.create_task(attempt_test(work, s, excerpt)) for s in range(work.settings.generation.samples)]
    return tuple(test.text for task in tests if (test := task.result()) is not None)


def put_candidates(journal: Journal, members: Sequence[Member], tasks: Sequence[Task]) -> None:
    """Record every task's candidates, deduplicated by text alone: there is no repository to apply them to."""
    for task in tasks:
        candidates = candidates_of(members, task.id)
        record_candidates(journal, task.id, candidates, text_classes([candidate.patch for candidate in candidates]))

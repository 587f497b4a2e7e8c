"""Inputs of an ensemble: tasks, submissions of other systems, and optional test scripts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codemonkeys.ensembles.members import Member, read_members
from codemonkeys.ensembles.solving import GivenTests, read_tests
from codemonkeys.errors import BadInput
from codemonkeys.tasks.base import Task
from codemonkeys.tasks.sources import load_tasks
from codemonkeys.wording import option


@dataclass(frozen=True)
class Ensemble:
    """The inputs of an ensemble, read and checked."""

    source: str
    """The dataset."""
    ids: tuple[str, ...]
    """Requested tasks; empty: all."""
    tasks: tuple[Task, ...]
    members: tuple[Member, ...]
    tests: GivenTests
    abstain: float = 0.0
    """Share of the tasks to abstain on: those that the rule is least sure of."""

    def plan(self) -> dict[str, Any]:
        """The inputs that determine results, stored with the run: they must be unchanged when it is resumed."""
        return {
            "members": [
                {"path": str(m.path.absolute()), "name": m.name, "family": m.family, "sha256": m.sha256}
                for m in self.members
            ],
            "tests": self.tests.folder and {"path": str(self.tests.folder), "sha256": self.tests.sha256},
            "abstain": self.abstain,
        }


def read_ensemble(
    source: str,
    ids: Sequence[str],
    paths: Sequence[Path],
    families: Sequence[str] = (),
    tests: Path | None = None,
    abstain: float = 0.0,
) -> Ensemble:
    """Read the dataset's tasks, the submissions and the test scripts. Raises BadInput and its subclasses."""
    if not 0 <= abstain <= 1:
        raise BadInput(f"{option('abstain', str(abstain))}: it is a share of the tasks, from 0 to 1")
    if not paths:
        raise BadInput("there is no submission to choose from: give at least one")
    tasks = load_tasks(source, list(ids) or None)
    members = read_members(paths, {task.id for task in tasks}, families)
    given = GivenTests() if tests is None else read_tests(tests.absolute(), tasks)
    return Ensemble(source, tuple(ids), tuple(tasks), tuple(members), given, abstain)


def reread_ensemble(source: str, ids: Sequence[str], plan: dict[str, Any]) -> Ensemble:
    """Read the ensemble of a stored run again. Raises BadInput for a file that is missing or has changed."""
    paths = [Path(member["path"]) for member in plan["members"]]
    tests = plan["tests"] and Path(plan["tests"]["path"])
    ensemble = read_ensemble(source, ids, paths, tests=tests, abstain=plan.get("abstain", 0.0))
    stored = {member["path"]: member for member in plan["members"]}
    for member in ensemble.members:
        if member.sha256 != stored[str(member.path.absolute())]["sha256"]:
            raise BadInput(f"{member.path} has changed since the run started; restore it, or start another run")
    families = {str(member["path"]): (member["name"], member["family"]) for member in plan["members"]}
    members = tuple(
        replace(member, name=families[str(member.path.absolute())][0], family=families[str(member.path.absolute())][1])
        for member in ensemble.members
    )
    return replace(ensemble, members=members)

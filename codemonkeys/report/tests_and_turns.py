"""What verdicts tell of test scripts, and of the turns of the edit conversations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codemonkeys.report.statistics import Verdict, discriminates, misleads
from codemonkeys.report.stored_run import StoredRun
from codemonkeys.report.verdict_sources import Verdicts, patch_hash
from codemonkeys.selection.evidence import Evidence
from codemonkeys.selection.rules_base import valid_tests


@dataclass(frozen=True)
class TestsResult:
    """What the test scripts are worth, on tasks that have right and wrong candidates."""

    __test__ = False

    scripts: int
    """Of all tasks."""
    valid: int
    """Of these: found the issue in the unedited code."""
    judged: int
    """Test scripts of tasks with right and wrong candidates."""
    discriminating: int
    """Tell right ones from wrong ones at all."""
    misleading: int
    """A wrong one passes, no right one does."""
    valid_judged: int
    valid_discriminating: int
    valid_misleading: int


@dataclass(frozen=True)
class TurnResult:
    """What there is after so many model calls of every edit conversation."""

    turn: int
    single: float
    """Share of right ones among trajectories, mean over tasks."""
    any: float
    """Share of tasks with a right one."""


def by_turn(
    run: StoredRun, labels: Mapping[str, Sequence[Verdict]], verdicts: Verdicts
) -> tuple[tuple[TurnResult, ...], int]:
    """Coverage after each turn of the edit conversations, over tasks whose edits all have a verdict; and how many."""
    tasks: list[list[list[bool]]] = []
    for task, evidence in run.evidence.items():
        known = dict(zip(map(patch_hash, evidence.patches), labels.get(task, ()), strict=False))

        def verdict(state: str | None, task: str = task, known: Mapping[str, Verdict] = known) -> Verdict:
            return False if state == "" else known.get(state or "", verdicts.by_patch.get((task, state or "")))

        judged = [[verdict(state) for state in trajectory] for trajectory in run.turns.get(task, ()) if trajectory]
        if judged and all(said is not None for trajectory in judged for said in trajectory):
            tasks.append([[bool(said) for said in trajectory] for trajectory in judged])
    longest = max((len(trajectory) for task in tasks for trajectory in task), default=0)
    found = []
    for turn in range(longest):
        now = [[trajectory[min(turn, len(trajectory) - 1)] for trajectory in task] for task in tasks]
        single = sum(sum(task) / len(task) for task in now) / len(now)
        found.append(TurnResult(turn + 1, single, sum(any(task) for task in now) / len(now)))
    return tuple(found), len(tasks)


def tests_result(tasks: Sequence[tuple[Evidence, Sequence[Verdict] | None]]) -> TestsResult | None:
    """How many test scripts tell right candidates from wrong ones, and how many mislead. None without a test script."""
    valid = {evidence.task: set(valid_tests(evidence)) for evidence, _ in tasks}
    scripts = sum(len(evidence.original) for evidence, _ in tasks)
    judged = [
        (discriminates(evidence, t, said), misleads(evidence, t, said), t in valid[evidence.task])
        for evidence, said in tasks
        if said is not None and True in said and False in said
        for t in range(len(evidence.original))
    ]
    kept = [test for test in judged if test[2]]
    return (
        TestsResult(
            *(scripts, sum(map(len, valid.values()))),
            *(len(judged), sum(test[0] for test in judged), sum(test[1] for test in judged)),
            *(len(kept), sum(test[0] for test in kept), sum(test[1] for test in kept)),
        )
        if scripts
        else None
    )

"""Quality of test scripts and value of edit turns, measured with verdicts."""

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
    """Quality of the test scripts, on tasks with correct and incorrect candidates."""

    __test__ = False

    scripts: int
    """Test scripts of all tasks."""
    valid: int
    """Of these, scripts that fail on the base commit."""
    judged: int
    """Test scripts of tasks with correct and incorrect candidates."""
    discriminating: int
    """Of the judged, scripts that separate correct from incorrect candidates at all."""
    misleading: int
    """Of the judged, scripts that an incorrect candidate passes and no correct one does."""
    valid_judged: int
    valid_discriminating: int
    valid_misleading: int


@dataclass(frozen=True)
class TurnResult:
    """Coverage after a number of model calls in every edit conversation."""

    turn: int
    single: float
    """Share of trajectories with a correct patch, mean over tasks."""
    any: float
    """Share of tasks with a correct patch in any trajectory."""


def by_turn(
    run: StoredRun, labels: Mapping[str, Sequence[Verdict]], verdicts: Verdicts
) -> tuple[tuple[TurnResult, ...], int]:
    """Coverage after each edit turn, over tasks whose edits all have verdicts; and the number of these tasks."""
    tasks = list(judged_turns(run, labels, verdicts).values())
    longest = max((len(trajectory) for task in tasks for trajectory in task), default=0)
    turns = []
    for turn in range(longest):
        now = [[after_turn(trajectory, turn) for trajectory in task] for task in tasks]
        single = sum(sum(task) / len(task) for task in now) / len(now)
        turns.append(TurnResult(turn + 1, single, sum(any(task) for task in now) / len(now)))
    return tuple(turns), len(tasks)


def judged_turns(
    run: StoredRun, labels: Mapping[str, Sequence[Verdict]], verdicts: Verdicts
) -> dict[str, list[list[bool]]]:
    """By task whose edits all have verdicts, for each trajectory, whether its patch is correct after each edit turn."""
    tasks: dict[str, list[list[bool]]] = {}
    for task, evidence in run.evidence.items():
        known = dict(zip(map(patch_hash, evidence.patches), labels.get(task, ()), strict=False))

        def verdict(state: str | None, task: str = task, known: Mapping[str, Verdict] = known) -> Verdict:
            return False if state == "" else known.get(state or "", verdicts.by_patch.get((task, state or "")))

        judged = [[verdict(state) for state in trajectory] for trajectory in run.turns.get(task, ()) if trajectory]
        if judged and not any(None in trajectory for trajectory in judged):
            tasks[task] = [list(map(bool, trajectory)) for trajectory in judged]
    return tasks


def after_turn(trajectory: Sequence[bool], turn: int) -> bool:
    """Whether a trajectory's patch is correct after a turn, from 0; it stays as it is once the trajectory has ended."""
    return trajectory[min(turn, len(trajectory) - 1)]


def tests_result(tasks: Sequence[tuple[Evidence, Sequence[Verdict] | None]]) -> TestsResult | None:
    """Counts of discriminating and misleading test scripts; None without test scripts."""
    valid = {evidence.task: set(valid_tests(evidence)) for evidence, _ in tasks}
    scripts = sum(len(evidence.original) for evidence, _ in tasks)
    judged = [
        (discriminates(evidence, t, verdicts), misleads(evidence, t, verdicts), t in valid[evidence.task])
        for evidence, verdicts in tasks
        if verdicts is not None and True in verdicts and False in verdicts
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

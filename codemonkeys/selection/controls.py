"""Runs controls on candidates: one that fails its control decides how processes end, so its votes tell nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from codemonkeys.engine.scripts import ISSUE_FIXED, ISSUE_PRESENT
from codemonkeys.engine.work import Work
from codemonkeys.keys import StepKey
from codemonkeys.selection.control_scripts import PLAIN, PYTEST, control_of, kind_of
from codemonkeys.selection.votes import Matrix, NumberedCandidate, exited
from codemonkeys.stages import BALLOT, JUDGE, SELECT, VOTES

NOTE = "controls"
"""Kind of the note that says which controls ran."""


async def control_votes(work: Work, matrix: Matrix) -> Matrix:
    """The matrix, with candidates marked that fail a control; recorded for readers.

    Each candidate that some script calls fixed runs one control per kind of script. A control that does not exit with
    `ISSUE_PRESENT` on the unedited code tells nothing of an edit: it is left out.
    """
    suspects = [
        numbered
        for numbered, row in zip(matrix.candidates, matrix.edited, strict=True)
        if any(exited(execution, ISSUE_FIXED) for execution in row)
    ]
    ran: dict[str, bool] = {}
    failed: dict[int, list[str]] = {numbered.number: [] for numbered in suspects}
    kinds = [kind_of(test) for test in matrix.tests] if work.script.runner == ("python",) and suspects else []
    for kind in (PLAIN, PYTEST):
        scripts = [test for test, other in zip(matrix.tests, kinds, strict=False) if other == kind]
        if scripts:
            control = await _sound_control(work, scripts, kind, len(matrix.tests))
            ran[kind] = control is not None
            for number in await _failing(work, suspects, control, kind, len(matrix.tests)) if control else ():
                failed[number].append(kind)
    controls = {number: (not by, ", ".join(by)) for number, by in failed.items()} if any(ran.values()) else {}

    def put() -> None:
        work.journal.put_controls(work.task.id, controls)
        work.journal.put_note(work.task.id, VOTES.name, 0, NOTE, {"kinds": ran})

    await work.journal.group_commit(put)
    return replace(matrix, untrusted=frozenset(number for number, by in failed.items() if by))


def decided_without(work: Work, matrix: Matrix) -> bool:
    """Whether a version without controls has begun to ask models about these candidates: that goes on as it began."""
    task, journal = work.task.id, work.journal
    asked = [(SELECT, 0), (BALLOT, 0), *((JUDGE, numbered.number) for numbered in matrix.candidates)]
    return journal.note(task, VOTES.name, 0, NOTE) is None and any(
        journal.calls.stored(StepKey(task, stage.name, sample)) is not None for stage, sample in asked
    )


async def _sound_control(work: Work, scripts: Sequence[str], kind: str, turn: int) -> str | None:
    """A control of these scripts, or of those whose own control is sound; None if there is none.

    The turn is how many scripts there are: with more of them, controls are other steps.
    """

    async def sound(control: str, part: str) -> bool:
        return exited(await work.run(VOTES, 0, turn, part, control), ISSUE_PRESENT)

    control = control_of(scripts, kind)
    if await sound(control, f"{kind} control"):
        return control
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(sound(control_of([script], kind), f"{kind} control of {number}"))
            for number, script in enumerate(scripts)
        ]
    kept = [script for script, task in zip(scripts, tasks, strict=True) if task.result()]
    control = control_of(kept, kind)
    return control if kept and await sound(control, f"{kind} control of some") else None


async def _failing(work: Work, suspects: Sequence[NumberedCandidate], control: str, kind: str, turn: int) -> list[int]:
    """Numbers of the candidates on which a control does not exit as on the unedited code."""
    async with asyncio.TaskGroup() as group:
        tasks = {
            s.number: group.create_task(work.run(VOTES, s.number, turn, f"{kind} control", control, s.candidate.patch))
            for s in suspects
        }
    return [number for number, task in tasks.items() if not exited(task.result(), ISSUE_PRESENT)]

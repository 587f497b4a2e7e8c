"""Candidates of an ensemble as the official harness applies them to the base commit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from codemonkeys.engine.executions import ExecutionRequest
from codemonkeys.engine.scripts import limits_of
from codemonkeys.engine.work import Work
from codemonkeys.ensembles.members import LARGEST
from codemonkeys.errors import BadInput
from codemonkeys.generation.applying import REFUSED, diff_of_output, diff_script
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.patch import check_patch
from codemonkeys.keys import APPLIED, StepKey
from codemonkeys.stages import VOTES
from sandboxes.base import Reason, Script

NOTES = "ensemble"
"""Stage name of what is noted here."""
OUTPUT_BYTES = 16 * LARGEST
"""What came out may be longer than what was submitted: the diff holds whole files."""


async def applied_candidates(work: Work, candidates: Sequence[Candidate]) -> list[Candidate]:
    """Candidates that apply to the base commit; the others are recorded in a note.

    A patch that git applies stays as it is. One that only the harness's more lenient commands apply becomes the diff
    of what came out, so that all that follows sees what would be graded.
    """

    def check() -> list[str | None]:
        return [check_patch(work.snapshot, candidate.patch) for candidate in candidates]

    refused = {n: why for n, why in enumerate(await work.in_thread(check)) if why}
    applied: dict[int, str] = {}
    if refused and not _began_strictly(work):
        async with asyncio.TaskGroup() as group:
            tasks = {n: group.create_task(_apply(work, n, candidates[n].patch)) for n in refused}
        for n, task in tasks.items():
            patch, why = task.result()
            if patch:
                applied[n] = patch
            else:
                refused[n] = f"{refused[n]}; {why}" if why else refused[n]
        await work.note(NOTES, "applied leniently", [candidates[n].source for n in applied])
    dropped = {n: why for n, why in refused.items() if n not in applied}
    if dropped:
        body = [{"source": candidates[n].source, "why": why} for n, why in dropped.items()]
        await work.note(NOTES, "does not apply", body)
    return [replace(c, patch=applied.get(n, c.patch)) for n, c in enumerate(candidates) if n not in dropped]


def _began_strictly(work: Work) -> bool:
    """Whether an earlier version dropped what git refuses: this run's later steps rest on that."""
    noted = (work.journal.note(work.task.id, NOTES, 0, kind) for kind in ("does not apply", "applied leniently"))
    return next(noted) is not None and next(noted) is None


async def _apply(work: Work, number: int, patch: str) -> tuple[str, str]:
    """The diff of what came out, or why there is none beyond what git said."""
    script = Script(diff_script(patch), "apply.sh", ("bash",))
    key = StepKey(work.task.id, VOTES.name, number, 0, APPLIED)
    limits = replace(limits_of(work.settings.sandbox), output_bytes=OUTPUT_BYTES)
    done = await work.steps.executions.run(key, ExecutionRequest(work.environment, script, None, limits))
    if done.reason is not Reason.EXITED:
        return "", f"the harness's other ways to apply it ended with: {done.reason}"
    try:
        made = await work.in_thread(diff_of_output, work.snapshot, done.output)
    except BadInput as error:
        return "", "" if str(error) == REFUSED else str(error)
    return made, "" if made else "it changes nothing: the base commit has it already"

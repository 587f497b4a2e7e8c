"""The verifier: a merged candidate stays only if tests find it no worse than any of those it was merged from."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from functools import reduce

from codemonkeys.engine.scripts import ISSUE_FIXED
from codemonkeys.engine.work import Work
from codemonkeys.generation.candidate import Candidate
from codemonkeys.generation.paths import patch_paths
from codemonkeys.keys import StepKey
from codemonkeys.repository_tests.comparing import compare
from codemonkeys.repository_tests.relevant_tests import touched_names
from codemonkeys.selection.collect_evidence import SelectionInput
from codemonkeys.selection.rules_base import passed, valid_tests
from codemonkeys.selection.votes import exited
from codemonkeys.stages import VERIFY

VERDICT = "verdict"
"""Kind of the note that says whether a merged candidate stays, and by which numbers."""


async def verify(work: Work, inputs: SelectionInput, parents: Sequence[int], merged: Candidate) -> bool:
    """Whether a merged candidate passes as many valid tests as its best parent, and breaks no more than the least.

    By executions alone. Where there is no valid test, and none of the repository's own, there is nothing against it.
    """
    evidence, tests = inputs.evidence, valid_tests(inputs.evidence)
    async with asyncio.TaskGroup() as group:
        ran = [
            group.create_task(work.run(VERIFY, merged.sample, test, "edited", inputs.matrix.tests[test], merged.patch))
            for test in tests
        ]
    number = sum(exited(each.result(), ISSUE_FIXED) for each in ran)
    best = max((passed(evidence, index, tests) for index in parents), default=0)
    *before, broken = await broken_by(work, merged.sample, [*(evidence.patches[k] for k in parents), merged.patch])
    known = [broken for broken in before if broken is not None]
    stays = number >= best and not (known and (broken is None or broken > min(known)))
    told = {"stays": stays, "passed": number, "best parent": best, "of": len(tests), "broken": broken}
    await work.note(VERIFY, VERDICT, told, merged.sample)
    return stays


async def broken_by(work: Work, sample: int, patches: Sequence[str]) -> list[int | None]:
    """How many of the repository's own tests each patch breaks, of the same tests for all; None if unknown."""
    if work.settings.selection.regression_files == 0:
        return [None] * len(patches)

    def key(number: int, part: str) -> StepKey:
        return StepKey(work.task.id, VERIFY.name, sample, number, part)

    touched = Counter(path for patch in patches for path in patch_paths(patch))
    names = reduce(frozenset.union, map(touched_names, patches), frozenset[str]())
    found = await compare(work, key, touched, names, patches)
    return [None if broken is None else len(broken) for broken in found.broken] or [None] * len(patches)

"""Regression tests: which of the repository's own tests a candidate newly breaks. No model calls.

A soft signal: a right candidate may break a test that asserts the behaviour the issue reports. Published false-alarm
rate: about a third (Trae Agent, arXiv 2507.23370, section 6.2).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import reduce

from codemonkeys.engine.work import Work
from codemonkeys.generation.patch import patch_paths
from codemonkeys.generation.repository_check import failures
from codemonkeys.keys import StepKey
from codemonkeys.repository_tests.comparing import compare
from codemonkeys.repository_tests.relevant_tests import touched_names
from codemonkeys.selection.older_regression import run_older_regressions
from codemonkeys.selection.regressions import Regressions
from codemonkeys.selection.votes import NumberedCandidate
from codemonkeys.stages import REGRESSION

__all__ = ["Regressions", "run_regressions"]


async def run_regressions(work: Work, candidates: Sequence[NumberedCandidate]) -> Regressions:
    """Find the tests most relevant to the touched files, and run them on each candidate."""
    if work.settings.selection.regression_files == 0:
        return Regressions()
    if work.is_begun_by_older:
        return await run_older_regressions(work, candidates)
    # With more candidates, other files may be touched and other tests be relevant: those are separate steps.
    turn = len(candidates)

    def key(number: int, part: str) -> StepKey:
        return StepKey(work.task.id, REGRESSION.name, candidates[number - 1].number if number else 0, turn, part)

    patches = [numbered.candidate.patch for numbered in candidates]
    touched = Counter(path for patch in patches for path in patch_paths(patch))
    names = reduce(frozenset.union, map(touched_names, patches), frozenset[str]())
    found = await compare(work, key, touched, names, patches)
    await work.note(REGRESSION, "tests", found.note())
    most = work.settings.sandbox.output_characters
    said = tuple(
        failures(report, broken, most) if broken else report.printed
        for report, broken in zip(found.reports, found.broken, strict=False)
    )
    return Regressions(found.tests, found.broken, said)

"""Runs the repository's own tests that concern an edit, once for each edit, and tells what they say of it."""

from __future__ import annotations

from typing import TypedDict

from codemonkeys.engine.work import Work
from codemonkeys.generation.paths import patch_paths
from codemonkeys.keys import REPOSITORY_TESTS, StepKey
from codemonkeys.prompting import cut_middle
from codemonkeys.repository_tests.base import Report
from codemonkeys.repository_tests.comparing import compare
from codemonkeys.repository_tests.relevant_tests import touched_names
from codemonkeys.stages import EDIT, Stage

SHOWN = 5
"""Different failures that are shown."""
NAMED = 10
"""Tests that are named for one failure."""
TEXT = 2000
"""Characters of one failure."""


class RepositoryView(TypedDict):
    """What the repository's tests say of an edit, as it is told to a model."""

    passing: int
    """Tests that concern the edit and pass on the unedited code."""
    broken: int
    """How many of them fail with the edit."""
    output: str
    """Their names and what failed, cut; untrusted."""


class RepositoryChecks:
    """Those of one conversation: a patch is checked once."""

    def __init__(self, work: Work, sample: int, stage: Stage = EDIT) -> None:
        self._work, self._sample, self._stage = work, sample, stage
        self._checked = {""}

    async def first(self, turn: int, patch: str) -> RepositoryView | None:
        """What the repository's tests say of a patch; None if that was told before, or nothing is known."""
        if patch in self._checked:
            return None
        self._checked.add(patch)
        return await check_repository(self._work, self._sample, turn, patch, self._stage)


async def check_repository(
    work: Work, sample: int, turn: int, patch: str, stage: Stage = EDIT
) -> RepositoryView | None:
    """Run the tests that concern a patch; None where they are not to run, or tell nothing.

    What is run is shared by all trajectories, and with the selection where it asks for the same.
    """
    settings = work.settings
    if work.is_begun_by_older or not (settings.generation.repository_tests and settings.selection.regression_files):
        return None

    def key(_: int, part: str) -> StepKey:
        return StepKey(work.task.id, stage.name, sample, turn, f"{REPOSITORY_TESTS}{part}")

    found = await compare(work, key, dict.fromkeys(patch_paths(patch), 1), touched_names(patch), [patch])
    broken = found.broken[0] if found.broken else None
    told = {**found.note(), "broken": None if broken is None else list(broken)}
    await work.note(stage, f"repository tests {turn}", told, sample)
    if broken is None:
        return None
    output = failures(found.reports[0], broken, settings.sandbox.output_characters)
    return RepositoryView(passing=len(found.tests), broken=len(broken), output=output)


def failures(report: Report, broken: tuple[str, ...], characters: int) -> str:
    """The broken tests by what failed in them, most frequent first, in at most about so many characters."""
    by_text: dict[str, list[str]] = {}
    for test in broken:
        by_text.setdefault(report.text_of(test).strip(), []).append(test)
    shown = sorted(by_text.items(), key=lambda item: -len(item[1]))
    share = min(TEXT, characters // max(1, min(SHOWN, len(shown))))
    parts = [
        f"{', '.join(tests[:NAMED])}{f' and {len(tests) - NAMED} more' if len(tests) > NAMED else ''}:\n"
        f"{cut_middle(text or '(no message)', share)}"
        for text, tests in shown[:SHOWN]
    ]
    left = sum(len(tests) for _, tests in shown[SHOWN:])
    return cut_middle("\n\n".join([*parts, *([f"and {left} tests more"] if left else [])]), characters)

"""Runs a test file of the repository, or one of its tests, because a model asked for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from codemonkeys.engine.work import Work
from codemonkeys.generation.edited_tree import Found
from codemonkeys.generation.look_ups import RunTests
from codemonkeys.keys import PROBE, StepKey
from codemonkeys.repository_tests.base import Report
from codemonkeys.repository_tests.comparing import run_tests, suite_of
from codemonkeys.repository_tests.pytest_runner import RUNNER as PYTEST


async def run_asked(work: Work, key: Callable[[str], StepKey], asked: RunTests, patch: str) -> Found:
    """Run tests on the edited repository, or on the unedited one if the patch is empty.

    `key`: the key of an execution, by the end of its part. The tests and the configuration of their runner are run as
    they were committed, whatever the patch does to them.
    """
    if asked.path.startswith("-"):
        return Found("it cannot be run: its name is read as an option.")
    if asked.path not in work.snapshot or not work.snapshot.entry(asked.path).is_file:
        return Found("there is no such file in the unedited repository. FIND a word of it.")
    suite = await suite_of(work, key(f" {PROBE}"), [asked.path])
    if isinstance(suite, str):
        return Found(f"it cannot be run: {suite}.")
    if asked.name and suite.runner.name != PYTEST.name:
        return Found(f"one test alone cannot be run by {suite.runner.name}: RUN {asked.path}.")
    node = f"{suite.files[0]}::{asked.name}" if asked.name else None
    seconds = work.settings.sandbox.seconds
    return told(await run_tests(work, key(""), suite, seconds, patch=patch or None, node=node))


def told(report: Report) -> Found:
    """What became of the tests."""
    if report.why:
        return Found(f"{report.why}.")
    counts = Counter(status.value for status in report.outcomes.values())
    parts = [f"{count} {status}" for status, count in sorted(counts.items())] or ["no test was collected"]
    late = [] if report.ended else ["the time was over before all had ended"]
    return Found(f"{', '.join([*parts, *late])}.", "\n".join([*report.texts.values(), report.printed]).strip())

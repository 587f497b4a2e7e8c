"""Runs the tests of a fix before and after it, several times, and tells what they can decide."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from codemonkeys.errors import EnvironmentFailed
from sandboxes.base import Environment, Execution, Limits, Reason, Sandbox, Script

START, END = ">>>>> Start Test Output", ">>>>> End Test Output"
PASSED = "PASSED"
SANDBOX_ATTEMPTS = 3
SAID = 200
"""Characters that are told of what tests printed."""

Statuses = dict[str, str]
Parser = Callable[[str], Statuses]
"""The status of each test in a log."""


class Run(NamedTuple):
    """What one run told."""

    statuses: Statuses
    problem: str = ""
    """Why nothing is known, if so."""
    said: str = ""
    """What the tests printed of why they did not run, see `last_said`; untrusted."""


class Decision(NamedTuple):
    """What the runs tell."""

    fail_to_pass: tuple[str, ...] = ()
    pass_to_pass: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    """Tests whose outcome differed between runs of the same code."""
    why_not: str = ""
    """Why it is no task; empty if it is."""


@dataclass(frozen=True)
class Checker:
    """Runs a script in an environment."""

    sandbox: Sandbox
    environment: Environment
    script: str
    """The tests, hidden ones included; it prints `START` and `END` around their output."""
    parser: Parser
    limits: Limits

    def check(self, gold: str, runs: int) -> Decision:
        """Run the tests without and with the reference patch, `runs` times each, as long as they may decide anything.

        Raises EnvironmentFailed if the sandbox fails.
        """
        before, after = [self.run(None)], [self.run(gold)]
        for which, run in (("before", before[0]), ("after", after[0])):
            if run.problem:
                return Decision(why_not=f"its tests {which} the fix: {run.problem}")
        if not after[0].statuses:
            return Decision(why_not=f"none of its tests could be run in this environment: {after[0].said}")
        early = decide([before[0].statuses], [after[0].statuses])
        if early.why_not:
            return early
        for _ in range(runs - 1):
            before.append(self.run(None))
            after.append(self.run(gold))
        return decide([run.statuses for run in before], [run.statuses for run in after])

    def run(self, patch: str | None) -> Run:
        """Run the tests on the code before the fix, or on that with a patch."""
        done = self._execute(patch)
        if done.reason is Reason.PATCH_FAILED:
            return Run({}, "the patch does not apply")
        if done.reason is not Reason.EXITED:
            return Run({}, f"stopped ({done.reason})")
        _, began, rest = done.output.partition(START)
        log, ended, _ = rest.partition(END)
        if not began or not ended:
            return Run({}, "the script did not run to its end")
        return Run(self.parser(log), "", last_said(log))

    def _execute(self, patch: str | None) -> Execution:
        script = Script(self.script, "eval.sh", ("bash",))
        for _ in range(SANDBOX_ATTEMPTS):
            done = self.sandbox.run(self.environment, script, patch, self.limits)
            if done.reason is not Reason.SANDBOX_FAILED:
                return done
        raise EnvironmentFailed(f"the sandbox failed: {done.detail or done.output}")


def decide(before: Sequence[Statuses], after: Sequence[Statuses]) -> Decision:
    """The tests that fail in all runs before and pass in all after, those that always pass, and those that vary."""
    names = sorted(set().union(*before, *after))

    def passes(runs: Sequence[Statuses], name: str) -> set[bool]:
        return {run.get(name) == PASSED for run in runs}

    flaky = tuple(name for name in names if len(passes(before, name)) + len(passes(after, name)) > 2)
    steady = [name for name in names if name not in set(flaky) and passes(after, name) == {True}]
    fixed = tuple(name for name in steady if passes(before, name) == {False})
    kept = tuple(name for name in steady if passes(before, name) == {True})
    return Decision(fixed, kept, flaky, "" if fixed else _why_nothing(names, kept, flaky, after))


def _why_nothing(names: Sequence[str], kept: Sequence[str], flaky: Sequence[str], after: Sequence[Statuses]) -> str:
    if flaky:
        return f"flaky: {_named(flaky)} did not end the same way each time"
    failing = [name for name in names if any(run.get(name) in ("FAILED", "ERROR") for run in after)]
    if failing:
        return f"its tests fail after the fix too, in this environment: {_named(failing)}"
    if kept:
        return "its tests pass before the fix too"
    return "none of its tests passes after the fix"


def _named(tests: Sequence[str]) -> str:
    more = f" and {len(tests) - 1} more" if len(tests) > 1 else ""
    return f"{tests[0]}{more}"


def last_said(log: str) -> str:
    """The line that most likely tells why no test ran: the last that names an error, else the last of all."""
    lines = [" ".join(line.split()) for line in log.split("\n") if line.strip(" '") and not line.startswith("+")]
    errors = [line for line in lines if re.search(r"\w*Error\b|^error|: error", line)]
    return (errors or lines or ["nothing was printed"])[-1][:SAID]

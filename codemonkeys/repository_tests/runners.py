"""Which runner the tests of a repository have: by its files, then by what the environment has."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from codemonkeys.registry import Registry
from codemonkeys.repository_tests.base import Runner
from codemonkeys.tasks.snapshot import Snapshot, once_for_each
from sandboxes.base import Execution, Reason, Script

MEMBERS = ("name", "probe", "configuration", "claims", "tests", "script", "parse")
AUTO = "auto"
_FOUND = re.compile(r"^codemonkeys-has (\d+) (.+)$", re.M)


def _as_runner(found: Any) -> Runner:
    """A runner. Raises TypeError for what lacks a member of one."""
    if missing := [name for name in MEMBERS if not hasattr(found, name)]:
        raise TypeError(f"it has no {', '.join(missing)}: see codemonkeys.repository_tests.base.Runner")
    runner: Runner = found
    return runner


_ROOM = "codemonkeys.repository_tests"
RUNNERS: Registry[Runner] = Registry(
    "test runner",
    "codemonkeys.test_runners",
    {
        "django": f"{_ROOM}.unittest_runner:DJANGO",
        "sympy": f"{_ROOM}.sympy_runner:RUNNER",
        "pytest": f"{_ROOM}.pytest_runner:RUNNER",
        "unittest": f"{_ROOM}.unittest_runner:RUNNER",
        "go": f"{_ROOM}.go:RUNNER",
        "cargo": f"{_ROOM}.cargo:RUNNER",
        "jest": f"{_ROOM}.javascript:JEST",
        "vitest": f"{_ROOM}.javascript:VITEST",
        "mocha": f"{_ROOM}.javascript:MOCHA",
        "node": f"{_ROOM}.javascript:NODE",
        "maven": f"{_ROOM}.jvm:MAVEN",
        "gradle": f"{_ROOM}.jvm:GRADLE",
    },
    _as_runner,
)
"""Those of single repositories before those of a whole language."""


def claiming(snapshot: Snapshot, named: str = AUTO) -> list[Runner]:
    """Runners that claim a repository, the best first: those of other packages before ours; or the named one.

    Raises BadSettings if one cannot be loaded.
    """
    return list(_claiming(snapshot)) if named == AUTO else [RUNNERS.get(named)]


@once_for_each
def _claiming(snapshot: Snapshot) -> tuple[Runner, ...]:
    names = [*RUNNERS.installed(), *RUNNERS.built_in]
    return tuple(runner for name in names if (runner := RUNNERS.get(name)).claims(snapshot))


def probe_script(runners: Sequence[Runner]) -> Script:
    """The script that tells what the environment has of the runners' tools."""
    lines = []
    for number, runner in enumerate(runners):
        lines.append(f"tool=$( (\n{runner.probe}\n) </dev/null 2>/dev/null) && ")
        lines.append(f'echo "codemonkeys-has {number} $(echo "$tool" | tail -n 1)"\n')
    return Script("".join(lines) + "exit 0\n", "probe.sh", ("sh",))


def read_probe(runners: Sequence[Runner], execution: Execution) -> Mapping[str, str]:
    """The tool of each runner that the environment has, by the runner's name."""
    if execution.reason is not Reason.EXITED:
        return {}
    found = {int(number): tool.strip() for number, tool in _FOUND.findall(execution.output)}
    return {runner.name: found[number] for number, runner in enumerate(runners) if found.get(number)}

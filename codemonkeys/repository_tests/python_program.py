"""Programs that run Python tests inside a sandbox, and the report that they print."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from codemonkeys.repository_tests.base import Report, Status, TestRequest
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Script

INSIDE = Path(__file__).with_name("inside")
NAME = "repository_tests.py"
STATUSES = {
    "passed": Status.PASSED,
    "failed": Status.FAILED,
    "error": Status.ERROR,
    "skipped": Status.SKIPPED,
    "expected failure": Status.SKIPPED,
    "running": Status.ERROR,
}
"""By what is told inside; a test that only began did not end."""


def python_script(
    request: TestRequest, report: str, script: str | None = None, options: Sequence[Sequence[str]] = ((),)
) -> Script:
    """The program of a request. `report`: the module in `inside` that tells the outcomes. `options`: by attempt."""
    plan = {
        "python": request.tool,
        "files": request.files,
        "restore": request.restore,
        "wanted": request.wanted,
        "seconds": request.seconds,
        "script": script,
        "options": options,
    }
    parts = [(INSIDE / f"{name}.py").read_text("utf-8") for name in ("watch", report)]
    call = f"if __name__ == '__main__':\n    main(json.loads({json.dumps(plan)!r}), report)\n"
    return Script("\n\n".join([*parts, call]), NAME, ("python",))


def parse_report(output: str) -> Report:
    """The report in the last line of what such a program printed."""
    lines = output.splitlines()
    try:
        told: dict[str, Any] = json.loads(lines[-1])
        outcomes = {str(name): STATUSES[outcome] for name, outcome in told["tests"].items()}
        texts = {str(name): str(text) for name, text in told["texts"].items()}
        return Report(outcomes, not told["timed_out"], texts, str(told["said"]))
    except (IndexError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Report(ended=False, why="the tests could not be run: no report from their runner")


def holds_module(snapshot: Snapshot, *paths: str) -> bool:
    """Whether all of these are files of the repository."""
    return all(path in snapshot for path in paths)

"""Tests of Go: `go test -json`, whose framing lines a test cannot print by chance."""

from __future__ import annotations

import json
import posixpath
from typing import Any

from codemonkeys.repository_tests.base import Report, Status, TestRequest, gravest
from codemonkeys.repository_tests.shell_program import Told, parse_told, quoted, shell_script
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Script

STATUSES = {"pass": Status.PASSED, "fail": Status.FAILED, "skip": Status.SKIPPED}
TEXT = 4000


class GoRunner:
    """go test."""

    name = "go"
    probe = "go version >/dev/null && echo go"
    configuration = ()

    def claims(self, snapshot: Snapshot) -> bool:
        """By a module at the root."""
        return "go.mod" in snapshot

    def tests(self, snapshot: Snapshot) -> list[str]:
        """Files that go takes for tests."""
        return [entry.path for entry in snapshot.entries if entry.is_file and entry.path.endswith("_test.go")]

    def script(self, request: TestRequest) -> Script:
        """All tests of the packages of the files."""
        packages = sorted({f"./{posixpath.dirname(path)}" for path in request.files})
        return shell_script(request, f"GOPROXY=off GOTOOLCHAIN=local $limit go test -json -count=1 {quoted(packages)}")

    def parse(self, output: str) -> Report:
        """By the events."""
        return parse_told(output, _read)


def _read(told: Told) -> Report:
    outcomes: dict[str, Status] = {}
    texts: dict[str, str] = {}
    events = 0
    for line in told.reports[0].splitlines():
        if not line.startswith("{"):
            continue  # such as what the compiler says
        try:
            event: Any = json.loads(line)
        except ValueError:
            continue  # the last one, cut when time ran out
        action, package = event.get("Action"), str(event.get("Package") or event.get("ImportPath"))
        events += 1
        test = event.get("Test")
        name = f"{package}::{test}" if test else package
        if action in ("output", "build-output"):
            texts[name] = (texts.get(name, "") + str(event.get("Output", "")))[-TEXT:]
        elif test and action in STATUSES:
            outcomes[name] = gravest(outcomes.get(name), STATUSES[action])
    if not events:
        raise ValueError("no event")
    kept = {name: text for name, text in texts.items() if outcomes.get(name, Status.FAILED) is Status.FAILED}
    return Report(outcomes, told.ended, kept, told.printed)


RUNNER = GoRunner()

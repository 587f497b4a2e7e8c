"""Tests of JavaScript and TypeScript: by jest, vitest, mocha or node's own runner, as `package.json` names them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from codemonkeys.context.languages import is_test, language_of
from codemonkeys.repository_tests.base import Report, Status, TestRequest, gravest
from codemonkeys.repository_tests.junit import parse_junit
from codemonkeys.repository_tests.shell_program import NO_REPORT, Told, parse_told, quoted, shell_script
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Script

LANGUAGES = ("javascript", "typescript", "tsx")
REPORT = '"$place/report"'
STATUSES = {"passed": Status.PASSED, "failed": Status.FAILED}
"""Of jest and vitest; all others were not run."""


@dataclass(frozen=True)
class JavaScriptRunner:
    """A test tool of JavaScript."""

    name: str
    needs: str
    """What stands in `package.json` where it is used."""
    command: str
    """Its command line, in front of the files, and what makes it write its report."""
    reads: Callable[[Told], Report]
    """Reads the report."""
    probe: str
    configuration: tuple[str, ...] = ()

    def claims(self, snapshot: Snapshot) -> bool:
        """By `package.json` at the root."""
        return "package.json" in snapshot and self.needs in (snapshot.text("package.json") or "")

    def tests(self, snapshot: Snapshot) -> list[str]:
        """Source files that are tests by their place or name."""
        return [
            entry.path
            for entry in snapshot.entries
            if entry.is_file and language_of(entry.path) in LANGUAGES and is_test(entry.path)
        ]

    def script(self, request: TestRequest) -> Script:
        """All tests of the files."""
        files = quoted([f"./{path}" for path in request.files])
        return shell_script(request, f"$limit {self.command} {files}", f"print_report {REPORT}")

    def parse(self, output: str) -> Report:
        """By the tool's own report."""
        return parse_told(output, self.reads)


def read_jest(told: Told) -> Report:
    """The JSON of jest, which vitest writes too. Raises ValueError and its kin."""
    found: Any = json.loads(told.reports[0])
    outcomes: dict[str, Status] = {}
    texts: dict[str, str] = {}
    for file in found["testResults"]:
        path = str(file["name"]).removeprefix(f"{told.root}/")
        if file.get("message"):
            texts[path] = str(file["message"])
        for test in file["assertionResults"]:
            name = f"{path}::{test['fullName']}"
            outcomes[name] = gravest(outcomes.get(name), STATUSES.get(test["status"], Status.SKIPPED))
            if test.get("failureMessages"):
                texts[name] = "\n".join(map(str, test["failureMessages"]))
    return Report(outcomes, told.ended, texts, told.printed)


def read_mocha(told: Told) -> Report:
    """The JSON of mocha. Raises ValueError and its kin."""
    found: Any = json.loads(told.reports[0])
    outcomes: dict[str, Status] = {}
    texts: dict[str, str] = {}
    lists = {"passes": Status.PASSED, "pending": Status.SKIPPED, "failures": Status.FAILED}
    for kind, status in lists.items():
        for test in found[kind]:
            name = f"{str(test['file']).removeprefix(f'{told.root}/')}::{test['fullTitle']}"
            outcomes[name] = gravest(outcomes.get(name), status)
            if status is Status.FAILED:
                error = test.get("err") or {}
                texts[name] = str(error.get("stack") or error.get("message") or "")
    return Report(outcomes, told.ended, texts, told.printed)


def read_node(told: Told) -> Report:
    """The JUnit report of node's own runner. Raises ValueError and its kin."""
    if not told.reports[0].strip():
        return Report(ended=False, why=NO_REPORT)
    return parse_junit(told.reports[:1], told.root, told.ended, told.printed)


JEST = JavaScriptRunner(
    *("jest", '"jest"', f"node_modules/.bin/jest --ci --json --outputFile={REPORT} --runTestsByPath", read_jest),
    probe="node_modules/.bin/jest --version >/dev/null && echo jest",
    configuration=("jest.config.*",),
)
VITEST = JavaScriptRunner(
    *("vitest", '"vitest"', f"node_modules/.bin/vitest run --reporter=json --outputFile={REPORT}", read_jest),
    probe="node_modules/.bin/vitest --version >/dev/null && echo vitest",
    configuration=("vitest.config.*",),
)
MOCHA = JavaScriptRunner(
    *("mocha", '"mocha"', f"node_modules/.bin/mocha --reporter json --reporter-option output={REPORT}", read_mocha),
    probe="node_modules/.bin/mocha --version >/dev/null && echo mocha",
    configuration=(".mocharc.*",),
)
NODE = JavaScriptRunner(
    *("node", "--test", f"node --test --test-reporter=junit --test-reporter-destination={REPORT}", read_node),
    probe="node --help | grep -q -e --test-reporter && echo node",
)

"""Tests of Java and its kin, by Maven or Gradle: the XML reports that both write for each class."""

from __future__ import annotations

import re
from dataclasses import dataclass

from codemonkeys.repository_tests.base import Report, TestRequest
from codemonkeys.repository_tests.junit import parse_junit
from codemonkeys.repository_tests.shell_program import Told, parse_told, quoted, shell_script
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Script

_TEST_FILE = re.compile(r"(?:^|/)src/test/(?:java|kotlin|groovy|scala)/(.+)\.(?:java|kt|groovy|scala)$")
_TEST_NAME = re.compile(r"(?:^|\.)(?:Test\w*|\w+Tests?|\w+TestCase|\w+Spec)$")
NOT_BUILT = re.compile(r"COMPILATION ERROR|Compilation failed|compilation errors?", re.I)


@dataclass(frozen=True)
class JvmRunner:
    """A build tool that runs tests."""

    name: str
    builds: tuple[str, ...]
    """Names of the build file at the root, one of which is there."""
    command: str
    each: str
    """How the classes are named: `{classes}` all at once, or `{name}` for each."""
    reports: str
    """Pattern of paths of reports."""
    probe: str
    configuration: tuple[str, ...] = ()

    def claims(self, snapshot: Snapshot) -> bool:
        """By a build file at the root."""
        return any(name in snapshot for name in self.builds)

    def tests(self, snapshot: Snapshot) -> list[str]:
        """Test classes, by their folder and name."""
        return [
            e.path for e in snapshot.entries if e.is_file and (name := class_of(e.path)) and _TEST_NAME.search(name)
        ]

    def script(self, request: TestRequest) -> Script:
        """All tests of the classes; reports of earlier runs are removed first."""
        names = [name for path in request.files if (name := class_of(path))]
        words = [self.each.format(classes=",".join(names))] if "{classes}" in self.each else []
        words = words or [word for name in names for word in self.each.format(name=name).split(" ", 1)]
        find = f"find . -type f -path '{self.reports}'"
        after = f'{find} >"$place/list"; while IFS= read -r file; do print_report "$file"; done <"$place/list"'
        return shell_script(request, f"$limit {self.command} {quoted(words)}", after, f"{find} -exec rm -f {{}} +")

    def parse(self, output: str) -> Report:
        """By the reports; without any, by whether the compiler failed."""
        return parse_told(output, _read)


def class_of(path: str) -> str | None:
    """The full name of the test class in a file; None if the file is no test."""
    match = _TEST_FILE.search(path)
    return match[1].replace("/", ".") if match else None


def _read(told: Told) -> Report:
    if not told.reports and not NOT_BUILT.search(told.printed):
        raise ValueError("neither a report nor an error of the compiler")
    return parse_junit(told.reports, told.root, told.ended, told.printed)


MAVEN = JvmRunner(
    *("maven", ("pom.xml",), "mvn -o -B -q -fae test -DfailIfNoTests=false -Dsurefire.failIfNoSpecifiedTests=false"),
    each="-Dtest={classes}",
    reports="*/surefire-reports/TEST-*.xml",
    probe="mvn -o --version >/dev/null && echo mvn",
)
GRADLE = JvmRunner(
    *("gradle", ("build.gradle", "build.gradle.kts"), "gradle --offline --no-daemon --continue test"),
    each="--tests {name}",
    reports="*/build/test-results/*/TEST-*.xml",
    probe="gradle --offline --version >/dev/null && echo gradle",
)

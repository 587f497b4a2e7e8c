"""Tests of Rust: the text of `cargo test`, which has no stable structured form."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from dataclasses import replace

from codemonkeys.context.languages import language_of
from codemonkeys.repository_tests.base import Report, Status, TestRequest
from codemonkeys.repository_tests.shell_program import Told, parse_told, quoted, shell_script
from codemonkeys.tasks.snapshot import Snapshot
from sandboxes.base import Script

_PROGRAM = re.compile(r"^ +(?:Running (?:unittests )?(\S+)|(Doc-tests \S+))")
_BEGIN = re.compile(r"^running (\d+) tests?$")
_TEST = re.compile(r"^test (.+?)(?: - should panic)? \.\.\. (ok|FAILED|ignored)(?:,.*)?$")
_RESULT = re.compile(r"^test result: (?:ok|FAILED)\. (\d+) passed; (\d+) failed; (\d+) ignored;")
_TEXT = re.compile(r"^---- (.+) stdout ----$")
STATUSES = {"ok": Status.PASSED, "FAILED": Status.FAILED, "ignored": Status.SKIPPED}
NOT_BUILT = "could not compile"
_HOLDS_TESTS = re.compile(r"#\[(?:\w+::)?test\b|```")


class CargoRunner:
    """cargo test."""

    name = "cargo"
    probe = "cargo --version >/dev/null && echo cargo"
    configuration = ()

    def claims(self, snapshot: Snapshot) -> bool:
        """By a manifest at the root."""
        return "Cargo.toml" in snapshot

    def tests(self, snapshot: Snapshot) -> list[str]:
        """Source files with tests: most have them beside the code."""
        named = [entry.path for entry in snapshot.entries if entry.is_file and language_of(entry.path) == "rust"]
        return [path for path in named if _HOLDS_TESTS.search(snapshot.text(path) or "")]

    def script(self, request: TestRequest) -> Script:
        """All tests of the packages of the files. Only files of their own are restored: others hold the code too."""
        own = tuple(path for path in request.restore if "tests" in path.split("/")[:-1])
        words = "$limit cargo test --offline --no-fail-fast 2>&1"
        return shell_script(replace(request, restore=own), f"{packages(request.files)}{words}")

    def parse(self, output: str) -> Report:
        """By the lines of each test program, as far as its own count agrees with them."""
        return parse_told(output, _read)


def packages(files: tuple[str, ...]) -> str:
    """Shell words that go to the folder which all files have in common, from where cargo finds the package."""
    common = posixpath.commonpath(files) if files else ""
    folder = posixpath.dirname(common) if common.endswith(".rs") else common
    return f"cd {quoted([f'./{folder}'])} && " if folder else ""


def _read(told: Told) -> Report:
    outcomes: dict[str, Status] = {}
    texts: dict[str, str] = {}
    program, expected, listing, naming = "", -1, False, ""
    found: list[tuple[str, Status]] = []
    seen = False
    for line in told.reports[0].splitlines():
        if match := _PROGRAM.match(line):
            program, listing = match[1] or match[2], False
        elif match := _BEGIN.match(line):
            expected, found, listing, seen = int(match[1]), [], True, True
        elif listing and (match := _TEST.match(line)):
            found.append((f"{program}::{match[1]}", STATUSES[match[2]]))
        elif line == "failures:":
            listing, naming = False, ""  # what follows is what tests printed
        elif match := _TEXT.match(line):
            naming = f"{program}::{match[1]}"
        elif match := _RESULT.match(line):
            counts = Counter(status for _, status in found)
            told_counts = tuple(map(int, match.groups()))
            agree = told_counts == (counts[Status.PASSED], counts[Status.FAILED], counts[Status.SKIPPED])
            if agree and len(found) == expected == len({name for name, _ in found}):
                outcomes.update(found)
            found, expected, listing, naming = [], -1, False, ""
        elif naming:
            texts[naming] = texts.get(naming, "") + line + "\n"
    if not seen and NOT_BUILT not in told.reports[0]:
        raise ValueError("neither a test nor an error of the compiler")
    return Report(outcomes, told.ended, texts, told.printed)


RUNNER = CargoRunner()

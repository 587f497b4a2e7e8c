"""What a model is told of the environment: one execution per task asks it, pure functions tell what it said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from codemonkeys.context.test_command import command_of
from codemonkeys.engine.executions import ExecutionRequest
from codemonkeys.engine.scripts import limits_of
from codemonkeys.engine.work import Work
from codemonkeys.keys import StepKey
from codemonkeys.prompting import cut_middle
from codemonkeys.stages import ENVIRONMENT
from sandboxes.base import Script

SECONDS = 60.0
"""Time limit of the probe."""
FIELD = 80
"""Characters of a name or a version, at most: some programs tell a whole paragraph."""
MENTIONED = 20
"""Packages that are told, at most."""
MOST_CHARACTERS = 1_200
"""About so long is what a model is told."""
LANGUAGES = {
    "javascript": ("node", "npm", "yarn", "pnpm"),
    "typescript": ("node", "npm", "yarn", "pnpm", "tsc"),
    "go": ("go",),
    "rust": ("rustc", "cargo"),
    "java": ("java", "mvn", "gradle"),
    "kotlin": ("java", "kotlinc", "gradle"),
    "ruby": ("ruby", "bundle", "rake"),
    "php": ("php", "composer"),
    "c": ("gcc", "clang", "cmake"),
    "c++": ("g++", "clang++", "cmake"),
}
"""Programs whose versions are asked, by language; of others only whether they are there."""
RUNNERS = ("pytest", "tox", "nox", "nose", "hypothesis")
"""Packages that are told whether or not the issue mentions them."""


class Found(NamedTuple):
    """A line of what the probe printed."""

    kind: str
    name: str
    version: str
    imported_as: tuple[str, ...] = ()


async def describe_environment(work: Work) -> str:
    """What is known of a task's environment, in a few lines; nothing for a run that version 0.1 began.

    A probe that ends badly tells nothing, and what the files tell remains. Raises ExecutionFailed, RunInterrupted.
    """
    if work.is_begun_by_older or work.settings.model is None:
        return ""
    limits = replace(limits_of(work.settings.sandbox), seconds=SECONDS)
    request = ExecutionRequest(work.environment, probe_script(work.task.language), None, limits)
    done = await work.steps.executions.run(StepKey(work.task.id, ENVIRONMENT.name), request)
    command = await work.in_thread(command_of, work.scope)
    lines = told(plain(work.task.language), read(done.output), command, work.task.issue, work.task.scope)
    return cut_middle("\n".join(lines), MOST_CHARACTERS)


def probe_script(language: str) -> Script:
    """A Bash script that prints a line for each program and package: kind, name, version, names it is imported by."""
    text = Path(__file__).with_name("environment.sh").read_text("utf-8")
    asked = "python" if language.lower() in ("", "python") else " ".join(LANGUAGES.get(language.lower(), ()))
    return Script(f"VERSIONS='{asked}'\n{text}", "environment.sh", ("bash",))


def read(output: str) -> Iterator[Found]:
    """The lines of a probe; others are passed over."""
    for line in output.splitlines():
        kind, *fields = (plain(field) for field in line.split("\t"))
        if kind in ("system", "program", "package") and fields and fields[0]:
            version, names = (*fields[1:3], "", "")[:2]
            yield Found(kind, fields[0], version, tuple(names.split()))


def plain(field: str) -> str:
    """A field in one line of printable ASCII."""
    return " ".join(re.sub("[^!-~]", " ", field).split())[:FIELD]


def told(language: str, found: Iterable[Found], command: str | None, issue: str, scope: str = "") -> Iterator[str]:
    """The lines that a model is told.

    `command`: how the repository's own tests are run, if that is known. `scope`: in which folder, if not in the root.
    """
    found = list(dict.fromkeys(found))
    programs = [line for line in found if line.kind == "program"]
    yield f"Language: {(language or 'python').capitalize()}"
    if system := [line.name for line in found if line.kind == "system"]:
        yield f"System: {system[0]}"
    if versions := [f"{line.name} ({line.version})" for line in programs if line.version]:
        yield f"Versions: {', '.join(versions)}"
    if others := [line.name for line in programs if not line.version]:
        yield f"Other programs: {', '.join(others)}"
    packages = [line for line in found if line.kind == "package"]
    if runners := [f"{line.name} {line.version}" for line in packages if line.name.lower() in RUNNERS]:
        yield f"For tests: {', '.join(runners)}"
    if command:
        yield f"The repository's own tests are run by: {command}"
    if scope:
        yield (
            f"The issue is about the folder {plain(scope)}. The repository's own tests are run in there, and their "
            "names are relative to it; all other paths are relative to the root of the repository, where scripts run."
        )
    if named := [f"{line.name} {line.version}" for line in packages if mentions(issue, line)][:MENTIONED]:
        yield f"Installed, of what the issue mentions: {', '.join(named)}"


def mentions(issue: str, package: Found) -> bool:
    """Whether an issue has a package's name, or one that it is imported by, as a word of its own."""
    names = {normalised(name) for name in (package.name, *package.imported_as)}
    return not names.isdisjoint(words(issue))


def words(text: str) -> set[str]:
    """The words of a text as names of packages, whole and up to each dot."""
    found = re.findall(r"@?[A-Za-z0-9][\w./-]*", text)
    return {normalised(part) for word in found for part in (word, word.partition(".")[0], word.rstrip("./-"))}


def normalised(name: str) -> str:
    """A name of a package as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()

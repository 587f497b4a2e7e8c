"""By which command a repository's own tests are run, as far as its files tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from codemonkeys.tasks.snapshot import Snapshot

PYTEST = {
    "pytest.ini": "[pytest]",
    "pyproject.toml": "[tool.pytest",
    "setup.cfg": "[tool:pytest]",
    "tox.ini": "[pytest]",
}
"""Files that configure pytest, and the section by which they do."""
OTHERS = {
    "go.mod": "go test ./...",
    "Cargo.toml": "cargo test",
    "gradlew": "./gradlew test",
    "build.gradle": "gradle test",
    "build.gradle.kts": "gradle test",
    "pom.xml": "mvn test",
    "Gemfile": "bundle exec rake test",
}
"""Commands by a file at the root."""


def command_of(snapshot: Snapshot) -> str | None:
    """The command, to be run at the root; None if no file tells it."""
    return next(commands_of(snapshot), None)


def commands_of(snapshot: Snapshot) -> Iterator[str]:
    """All commands that files tell, the most particular first."""
    if "tests/runtests.py" in snapshot:
        yield "python tests/runtests.py"
    if "bin/test" in snapshot:
        yield "bin/test"
    if any(section in text_of(snapshot, name) for name, section in PYTEST.items()):
        yield "python -m pytest"
    elif any(PurePosixPath(entry.path).name == "conftest.py" for entry in snapshot.entries):
        yield "python -m pytest"
    yield from (command for name, command in OTHERS.items() if name in snapshot)
    if '"test"' in text_of(snapshot, "package.json"):
        yield "npm test"
    if "test:" in text_of(snapshot, "Makefile").split():
        yield "make test"


def text_of(snapshot: Snapshot, path: str) -> str:
    """The text of a file; empty if there is none."""
    return (snapshot.text(path) or "") if path in snapshot else ""

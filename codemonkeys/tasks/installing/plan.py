"""What would be installed for a repository, and by which commands; the same for equal lock files. Pure."""

from __future__ import annotations

import hashlib
import platform
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from codemonkeys.tasks.build_once import IN_PLACE
from codemonkeys.tasks.environments import PYTHON
from codemonkeys.tasks.snapshot import Snapshot
from codemonkeys.tasks.wheels import CURRENT_PYTHON

Kind = Literal["python", "node", "go", "rust", "java"]

PLACE = "{place}"
"""Stands for the environment's folder in commands and variables."""
FORMAT = "1"
"""Part of every key: environments made in another way are made anew."""


@dataclass(frozen=True)
class Options:
    """What the user decides."""

    scripts: bool = False
    """Whether packages may run code of theirs: install scripts, and builds of those that come as source."""
    python: str = str(PYTHON)
    """Interpreter of a virtual environment."""
    version: str = CURRENT_PYTHON
    """Its version, such as 3.11."""


@dataclass(frozen=True)
class Rung:
    """A more forgiving way to install, tried where the one before failed."""

    what: str
    """What it does, to stand after `trying`."""
    commands: tuple[tuple[str, ...], ...]
    """In place of the plan's last command."""
    some: bool = False
    """Whether it is enough that one of them succeeds."""


@dataclass(frozen=True)
class Plan:
    """How one environment is made."""

    kind: Kind
    folder: str
    """Of the repository, in which the commands are run, in a copy of the commit; empty for the root."""
    files: tuple[str, ...]
    """Paths of the files that say what is installed."""
    commands: tuple[tuple[str, ...], ...] = ()
    key: str = ""
    """Name of the environment's folder: equal for equal contents of lock files, whatever the repository."""
    suffix: str = ""
    """What is added to the key, where several environments serve as well, such as those of two versions of Python."""
    variables: tuple[tuple[str, str], ...] = ()
    """For the commands."""
    written: tuple[tuple[str, str], ...] = ()
    """Files that the commands read, to be written into the environment's folder: name, text."""
    removed: tuple[str, ...] = ()
    """Files that the copy of the commit goes without, in each of its folders: they can name programs to run."""
    ladder: tuple[Rung, ...] = ()
    """What is tried in order where the last command fails."""
    notes: tuple[str, ...] = ()
    """What is left out, for the user to know."""
    problem: str = ""
    """Why it cannot be made, and what to do, if so."""

    def place(self, home: Path) -> Path:
        """The environment's folder."""
        return home / IN_PLACE / f"{self.key}{self.suffix}"

    def commands_at(self, place: Path) -> list[tuple[str, ...]]:
        """The commands as they are run."""
        return at(place, self.commands)


def at(place: Path, commands: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Commands as they are run for an environment in a folder."""
    return [tuple(word.replace(PLACE, str(place)) for word in command) for command in commands]


@dataclass
class Files:
    """Reads files of a folder of a snapshot, and keeps what decides an environment."""

    snapshot: Snapshot
    folder: str
    read: dict[str, str] = field(default_factory=dict)
    """Texts by path in the repository."""

    def path(self, name: str) -> str:
        """A file of the folder by its path in the repository."""
        return posixpath.normpath(posixpath.join(self.folder, name))

    def __contains__(self, name: object) -> bool:
        return self.path(str(name)) in self.snapshot

    def text(self, name: str, *, decides: bool = True) -> str:
        """The text of a file; empty if there is none. `decides`: its content decides what is installed."""
        path = self.path(name)
        text = (self.snapshot.text(path) or "") if path in self.snapshot else ""
        if decides and path in self.snapshot:
            self.read[path] = text
        return text

    def names(self) -> Iterator[str]:
        """Paths of all files in the folder, relative to it."""
        start = f"{self.folder}/" if self.folder else ""
        return (e.path.removeprefix(start) for e in self.snapshot.entries if e.is_file and e.path.startswith(start))


def key_of(kind: Kind, contents: Mapping[str, str], *decides: object) -> str:
    """The name of an environment's folder, by the contents of its lock files and whatever else decides."""
    told = repr((FORMAT, kind, platform.machine(), sorted(contents.values()), decides))
    return f"{kind}-{hashlib.sha256(told.encode('utf-8', 'surrogatepass')).hexdigest()[:24]}"


def refused(kind: Kind, folder: str, files: tuple[str, ...], problem: str) -> Plan:
    """An environment that cannot be made."""
    return Plan(kind, folder, files, problem=problem)

"""Reads requirements files: what is installed from an index, and what is not."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field

from codemonkeys.tasks.installing.plan import Files

_COMMENT = re.compile(r"(?:^|\s)#.*$")
_INCLUDE = re.compile(r"(-r|--requirement|-c|--constraint)(?:\s+|=)(\S+)")
_EDITABLE = re.compile(r"(?:-e|--editable)(?:\s+|=)(\S+)")

_OPTIONS = frozenset(
    ("-i", "--index-url", "--extra-index-url", "--no-index", "-f", "--find-links", "--trusted-host", "--pre")
    + ("--prefer-binary", "--require-hashes", "-r", "--requirement", "-c", "--constraint", "--hash")
)
"""What a line may hold. What may be built is for the user to say, and pip takes shortened names, anywhere in a line."""


@dataclass
class Requirements:
    """Lines of requirements files, those that they include in their place."""

    lines: list[str] = field(default_factory=list)
    constraints: list[str] = field(default_factory=list)
    local: list[str] = field(default_factory=list)
    """Lines that name a folder or file of the repository: they are not installed."""
    from_source: list[str] = field(default_factory=list)
    """Those of the lines that name a version control system, or an archive of source."""
    seen: set[str] = field(default_factory=set)

    @property
    def hashed(self) -> bool:
        """Whether lines have hashes, which then all that is installed has to have."""
        return any("--hash" in line or "--require-hashes" in line for line in self.lines)


def read_requirements(files: Files, name: str, found: Requirements, *, constraints: bool = False) -> None:
    """Add the lines of a requirements file, and of those that it includes."""
    path = files.path(name)
    if path in found.seen:
        return
    found.seen.add(path)
    for joined in re.sub(r"\\\r?\n", " ", files.text(name)).splitlines():
        line = " ".join(_COMMENT.sub("", joined).split())
        if include := _INCLUDE.fullmatch(line):
            inner = posixpath.join(posixpath.dirname(name), include[2])
            if "://" in include[2] or inner not in files:
                _add(found, line, constraints)
            else:
                read_requirements(files, inner, found, constraints=constraints or include[1] in ("-c", "--constraint"))
        elif line:
            _add(found, line, constraints)


def read_strings(found: Requirements, requirements: Iterable[object]) -> None:
    """Add requirements that stand as texts in another file."""
    for line in requirements:
        if isinstance(line, str) and line.strip() and not line.lstrip().startswith("-"):  # options have no place there
            _add(found, " ".join(line.split()), False)


def _add(found: Requirements, line: str, constraints: bool) -> None:
    line = _without_other_options(line)
    if not line:
        return
    editable = _EDITABLE.fullmatch(line)
    target = editable[1] if editable else line.partition(" @ ")[2] or line
    remote = "://" in target and not target.startswith("file:")
    if remote and (include := _INCLUDE.fullmatch(line)) and "://" in include[2]:
        found.from_source.append(line)  # its options are not known
    if not line.startswith("-") or editable:
        where = target.partition(";")[0].partition(" --")[0].strip()
        if not constraints and not remote and (editable or where.startswith(("file:", ".", "/")) or "/" in where):
            found.local.append(line)
            return
        if remote and not where.partition("#")[0].endswith(".whl"):
            found.from_source.append(line)
    (found.constraints if constraints else found.lines).append(line)


def _without_other_options(line: str) -> str:
    """A line as it is, or without options if any of them is not among `_OPTIONS` or cannot be read."""
    if _EDITABLE.fullmatch(line):
        return line
    words = line.split(" ")
    first = next((number for number, word in enumerate(words) if word.startswith("-")), len(words))
    try:
        named = [word.partition("=")[0] for word in shlex.split(" ".join(words[first:])) if word.startswith("-")]
    except ValueError:
        named = [""]
    return line if all(name in _OPTIONS for name in named) else " ".join(words[:first])

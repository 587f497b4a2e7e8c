"""Files that an issue names: paths, modules, frames of tracebacks, and the definitions of identifiers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence

from codemonkeys.context.lexical import LexicalIndex, identifiers

PATH = re.compile(r"[\w.+/\\-]+\.\w+")
MODULE = re.compile(r"\b[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+")
ENOUGH = 2
"""Components that a path must have in common with a file of the repository if others have the same name."""
MOST = 8
"""Files that an issue names, at most: a long traceback names much that does not matter."""


def named_files(issue: str, paths: Sequence[str], index: LexicalIndex) -> list[str]:
    """Those of the paths that an issue names, first the ones it spells out, then those that define what it names."""
    known = set(paths)
    defining = [path for name in identifiers(issue) for path in index.defining(name) if path in known]
    return list(dict.fromkeys([*spelt_files(issue, paths), *defining]))[:MOST]


def spelt_files(issue: str, paths: Sequence[str]) -> list[str]:
    """Those of the paths that an issue spells out, by path or module, in its order; there may be many."""
    return list(dict.fromkeys(found for path in spelt_paths(issue) for found in lookup(path, paths)))


def spelt_paths(issue: str) -> list[str]:
    """What an issue writes as a path of a file, or as the dotted name of a Python module or what is in it."""
    written = [match.replace("\\", "/") for match in PATH.findall(issue)]
    for name in MODULE.findall(issue):
        parts = name.split(".")
        for length in range(len(parts), 1, -1):
            written += ["/".join(parts[:length]) + ending for ending in (".py", "/__init__.py")]
    return list(dict.fromkeys(written))


def lookup(written: str, paths: Iterable[str]) -> list[str]:
    """The paths that share most of their end with a written one, which may be absolute, or lack its beginning.

    None if they share the name only and are several; a traceback of an installed package shares the package's folder.
    """
    wanted = [part for part in written.split("/") if part not in ("", ".")]
    by_length: dict[int, list[str]] = defaultdict(list)
    for path in paths:
        common = 0
        for ours, theirs in zip(reversed(path.split("/")), reversed(wanted), strict=False):
            if ours != theirs:
                break
            common += 1
        if common:
            by_length[common].append(path)
    if not by_length:
        return []
    most = max(by_length)
    found = sorted(by_length[most])
    whole = most == len(wanted)
    return found if len(found) == 1 and (most >= ENOUGH or whole) else []

"""Ranks a repository's own tests by relevance to the files that candidates touch: imports, names and folders."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath

from codemonkeys.context.languages import language_of
from codemonkeys.repository_tests.python_files import modules_of, older_modules_of, python_tests
from codemonkeys.tasks.snapshot import Snapshot

_GENERIC_WORDS = frozenset(("test", "tests", "testing", "unittest", "unit", "functional", "src", "lib", "init", "py"))
_HUNK = re.compile(r"^@@ [-+,\d ]+ @@(.*)$")
_DEFINED = re.compile(
    r"\b(?:def|class|func|fn|function|struct|enum|trait|interface|type)\s+(?:\([^)]*\)\s*)?([A-Za-z_]\w*)"
    r"|([A-Za-z_]\w*)\s*\([^()]*\)\s*(?:throws [\w., ]+)?\{?\s*$"
)
_RELATIVE = re.compile(r"""(?:from|require\(|import\(?)\s*['"](\.[^'"\n]+)['"]""")
"""An import of a file by its relative path, in JavaScript and its kin."""
_NAMED = 3.0
"""What a test's relevance gains if it names everything that the patches touch."""


def relevant_tests(
    snapshot: Snapshot,
    touched: Mapping[str, int],
    most: int,
    names: Collection[str] = (),
    tests: Sequence[str] | None = None,
    *,
    older: bool = False,
) -> list[str]:
    """The `most` most relevant test files for touched files, most relevant first.

    `touched`: number of candidates that touch each path, used as weight. `names`: what they touch in there, see
    `touched_names`. `tests`: the test files, by default those in Python. `older`: as version 0.1 ranked them.
    A test file's relevance depends on its imports (a touched module, or one that imports it), the names it uses, words
    that its path shares with the touched path, and shared folders.
    """
    total = sum(touched.values())
    if not total or most <= 0:
        return []
    modules = older_modules_of(snapshot) if older else modules_of(snapshot)
    importers = {path: modules.importers(path) for path in touched}
    plain: dict[str, float] = {}
    scores: dict[str, float] = {}
    for test in python_tests(snapshot) if tests is None else tests:
        if language_of(test) == "python":
            imported = modules.imported_by(test)
        else:
            imported = _named_files(test, snapshot.text(test) or "", touched)
        score = sum(count * _relevance(test, imported, path, importers[path]) for path, count in touched.items())
        if score > 0:
            # Of two tests that reach the same file, the one that imports less else is more specific to it.
            plain[test] = scores[test] = score / total + 0.5 / (1 + len(imported))
            if names:
                used = set(re.findall(r"[A-Za-z_]\w*", snapshot.text(test) or ""))
                scores[test] += _NAMED * len(used.intersection(names)) / len(names)
    chosen = sorted(scores, key=lambda test: (-scores[test], test))[:most]
    # Names choose and do not order: patches of the same files then have equal runs of equal tests, which are shared.
    return sorted(chosen, key=lambda test: (-plain[test], test))


def touched_names(patch: str) -> frozenset[str]:
    """Names of what a patch changes: definitions around its hunks, as git tells them, and on changed lines."""
    found: set[str] = set()
    for line in patch.splitlines():
        hunk = _HUNK.match(line)
        if hunk or (line[:1] in ("+", "-") and line[:3] not in ("+++", "---")):
            for match in _DEFINED.finditer(hunk[1] if hunk else line[1:]):
                found.add(match[1] or match[2])
    return frozenset(name for name in found if len(name) > 2 and not name.startswith("__"))


def _named_files(test: str, text: str, touched: Collection[str]) -> frozenset[str]:
    """Touched files that a test which is not Python imports by a relative path or names, or lies beside."""
    folder = posixpath.dirname(test)
    imported = {posixpath.normpath(posixpath.join(folder, path)) for path in _RELATIVE.findall(text)}

    def reaches(path: str) -> bool:
        bare = posixpath.splitext(path)[0]
        if imported.intersection(
            (path, bare, posixpath.dirname(path) if PurePosixPath(path).stem == "index" else bare)
        ):
            return True
        if language_of(path) == "go":
            return posixpath.dirname(path) == folder
        stem = PurePosixPath(path).stem
        return language_of(path) == language_of(test) and bool(re.search(rf"\b{re.escape(stem)}\b", text))

    return frozenset(path for path in touched if reaches(path))


def _relevance(test: str, imported: frozenset[str], path: str, importers: frozenset[str]) -> float:
    """Relevance of a test file to a touched file, from 0 to about 10."""
    if test == path:
        return 8.0
    words, wanted = _words(test), _words(path)
    name = _stem(path)
    score = 0.0
    if path in imported:
        score += 3.0
    elif imported & importers:
        score += 0.5
    if name and _stem(test) == name:
        score += 4.0
    elif name and name in words:
        score += 2.0
    elif wanted:
        score += 2.0 * len(words & wanted) / len(wanted)
    if not score:
        return 0.0
    return score + _shared_folders(test, path)


def _stem(path: str) -> str:
    """File name without markers of tests and generic words."""
    words = PurePosixPath(path).stem.strip("_").split("_")
    return "_".join(word for word in words if word.lower() not in _GENERIC_WORDS)


def _words(path: str) -> frozenset[str]:
    """Words of a path without markers of tests and generic words."""
    parts = PurePosixPath(path).with_suffix("").parts
    words = {word for part in parts for word in (part.strip("_"), *part.split("_"), _stem(part))}
    return frozenset(word.lower() for word in words) - _GENERIC_WORDS - {""}


def _shared_folders(test: str, path: str) -> float:
    """From 0 to 1: share of the touched file's folders that the test's path contains too."""
    wanted = [part for part in PurePosixPath(path).parts[:-1] if part not in _GENERIC_WORDS]
    there = {part.lstrip("_") for part in PurePosixPath(test).parts[:-1]}
    return sum(part.lstrip("_") in there for part in wanted) / len(wanted) if wanted else 0.0

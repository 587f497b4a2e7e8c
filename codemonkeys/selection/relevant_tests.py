"""Which of a repository's own tests matter to the files that candidates touch: by imports, names and folders."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath

from codemonkeys.context.languages import is_test, language_of
from codemonkeys.tasks.snapshot import Snapshot

_TEST_NAMES = ("test_*.py", "*_test.py", "*_tests.py", "unittest_*.py", "tests.py", "test.py")
_HOLDS_TESTS = re.compile(r"^\s*(?:async\s+)?def test|^\s*class \w*Test|^class \w+\(.*TestCase", re.M)
# Imports by their text, not by the syntax tree: test files may be in any Python, and there can be thousands.
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<origin>\.*[\w.]*)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^#\n;]+)"
    r"|import[ \t]+(?P<modules>[\w.]+(?:[ \t]+as[ \t]+\w+)?(?:[ \t]*,[ \t]*[\w.]+(?:[ \t]+as[ \t]+\w+)?)*))",
    re.M,
)
_MARKS = frozenset(("test", "tests", "testing", "unittest", "unit", "functional", "src", "lib", "init", "py"))
_SHOWN = re.compile(r"(?:^|/)(?:docs?|examples?|example_scripts|demos?|tutorials?)/")
"""Folders whose tests show how testing is done, and test nothing of the repository."""
_LARGEST = 2 << 20
"""Bytes of a file beyond which it is taken for data."""


def relevant_tests(snapshot: Snapshot, touched: Mapping[str, int], most: int) -> list[str]:
    """The test files that matter most to some files, the first one most; at most so many. For Python, else empty.

    `touched` is how many candidates touch each path: what many touch weighs more. A file matters by what it imports
    (the touched module itself, or one that imports it), by words its path shares with the touched one, and by folder.
    """
    total = sum(touched.values())
    if not total or most <= 0:
        return []
    modules = _Modules(snapshot)
    importers = {path: modules.importers(path) for path in touched}
    scores: dict[str, float] = {}
    for test in suite_files(snapshot):
        imported = modules.imported_by(test)
        score = sum(count * _matter(test, imported, path, importers[path]) for path, count in touched.items())
        if score > 0:
            # Of two tests that reach the same file, the one that reaches little else speaks of it.
            scores[test] = score / total + 0.5 / (1 + len(imported))
    return sorted(scores, key=lambda test: (-scores[test], test))[:most]


def suite_files(snapshot: Snapshot) -> list[str]:
    """Python files that hold tests a runner would find, in path order."""
    named = [
        entry.path
        for entry in snapshot.entries
        if entry.is_file
        and entry.size <= _LARGEST
        and language_of(entry.path) == "python"
        and any(fnmatchcase(PurePosixPath(entry.path).name, pattern) for pattern in _TEST_NAMES)
        and not _SHOWN.search(entry.path)
    ]
    return [path for path in named if _HOLDS_TESTS.search(snapshot.text(path) or "")]


def _matter(test: str, imported: frozenset[str], path: str, importers: frozenset[str]) -> float:
    """How much a test file matters to a touched file, from 0 to about 10."""
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
    """The name of a file without what marks it as a test or is the same for every file."""
    words = PurePosixPath(path).stem.strip("_").split("_")
    return "_".join(word for word in words if word.lower() not in _MARKS)


def _words(path: str) -> frozenset[str]:
    """The words of a path, without the top package that all share, and without what marks tests."""
    parts = PurePosixPath(path).with_suffix("").parts
    words = {word for part in parts for word in (part.strip("_"), *part.split("_"), _stem(part))}
    return frozenset(word.lower() for word in words) - _MARKS - {""}


def _shared_folders(test: str, path: str) -> float:
    """From 0 to 1: the share of the touched file's folders that the test's folders have too."""
    wanted = [part for part in PurePosixPath(path).parts[:-1] if part not in _MARKS]
    there = {part.lstrip("_") for part in PurePosixPath(test).parts[:-1]}
    return sum(part.lstrip("_") in there for part in wanted) / len(wanted) if wanted else 0.0


@dataclass
class _Modules:
    """Python modules of a snapshot by their dotted names, and what each file imports of them."""

    snapshot: Snapshot

    def __post_init__(self) -> None:
        paths = [e.path for e in self.snapshot.entries if e.path.endswith((".py", ".pyx")) and e.is_file]
        packages = {str(PurePosixPath(path).parent) for path in paths if path.endswith("/__init__.py")}
        self._names = {path: _dotted(path, packages) for path in paths}
        self._paths = {name: path for path, name in self._names.items() if name}
        self._imports: dict[str, frozenset[str]] = {}

    def imported_by(self, path: str) -> frozenset[str]:
        """Files of the snapshot that a file imports by name."""
        if path not in self._imports:
            self._imports[path] = frozenset(self._read(path)) - {path}
        return self._imports[path]

    def importers(self, path: str) -> frozenset[str]:
        """Files that import a file and are no tests; only those that name it."""
        name = self._names.get(path, "")
        last = name.rpartition(".")[2]
        if not last:
            return frozenset()
        return frozenset(
            other
            for other in self._names
            if not is_test(other) and other != path and self._mentions(other, last) and path in self.imported_by(other)
        )

    def _mentions(self, path: str, word: str) -> bool:
        return self.snapshot.entry(path).size <= _LARGEST and word.encode() in self.snapshot.read(path)

    def _read(self, path: str) -> set[str]:
        text = self.snapshot.text(path) or ""
        here = self._names.get(path, "").split(".")
        package = here if path.endswith("/__init__.py") else here[:-1]
        found: set[str] = set()
        for match in _IMPORT.finditer(text):
            if match["modules"]:
                names = [module.split()[0] for module in match["modules"].split(",")]
                found.update(self._paths[name] for name in names if name in self._paths)
                continue
            origin = match["origin"]
            bare = origin.lstrip(".")
            up = len(origin) - len(bare)
            base = ".".join([*package[: len(package) - up + 1], *filter(None, [bare])]) if up else bare
            names = [name.split()[0] for name in match["names"].strip("()\\ \n").split(",") if name.split()]
            inner = {self._paths[f"{base}.{name}"] for name in names if f"{base}.{name}" in self._paths}
            found |= inner or ({self._paths[base]} if base in self._paths else set())
        return found


def _dotted(path: str, packages: set[str]) -> str:
    """The name by which a file is imported: from the topmost folder that is a package."""
    pure = PurePosixPath(path)
    parts = [] if pure.stem == "__init__" else [pure.stem]
    folder = pure.parent
    while str(folder) in packages:
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts)

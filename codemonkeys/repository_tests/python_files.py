"""Python files of a repository: those with tests, and the imports between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate
from pathlib import PurePosixPath
from weakref import proxy

from codemonkeys.context.languages import is_example, is_test, language_of
from codemonkeys.tasks.snapshot import Entry, Snapshot, once_for_each

_TEST_NAMES = ("test_*.py", "*_test.py", "*_tests.py", "unittest_*.py", "tests.py", "test.py")
_TEST_NAME = re.compile("|".join(map(translate, _TEST_NAMES)))
_CONTAINS_TESTS = re.compile(r"^\s*(?:async\s+)?def test|^\s*class \w*Test|^class \w+\(.*TestCase", re.M)
# Imports are matched by regular expression: there can be thousands of test files, in any version of Python.
_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<origin>\.*[\w.]*)[ \t]+import[ \t]+(?P<names>\([^)]*\)|[^#\n;]+)"
    r"|import[ \t]+(?P<modules>[\w.]+(?:[ \t]+as[ \t]+\w+)?(?:[ \t]*,[ \t]*[\w.]+(?:[ \t]+as[ \t]+\w+)?)*))",
    re.M,
)
MAX_BYTES = 2 << 20
"""Size in bytes beyond which a file is treated as data."""


def may_hold_tests(entry: Entry) -> bool:
    """Whether a runner would look for tests in a file, by its name."""
    return (
        entry.is_file
        and entry.size <= MAX_BYTES
        and _TEST_NAME.match(entry.path.rpartition("/")[2]) is not None
        and language_of(entry.path) == "python"
        and not is_example(entry.path)
    )


def has_tests(snapshot: Snapshot) -> bool:
    """Whether any Python file may hold tests, by its name."""
    return any(may_hold_tests(entry) for entry in snapshot.entries)


def python_tests(snapshot: Snapshot) -> list[str]:
    """Python files with tests that a runner would collect, in path order."""
    return list(_python_tests(snapshot))


@once_for_each
def _python_tests(snapshot: Snapshot) -> tuple[str, ...]:
    named = (entry.path for entry in snapshot.entries if may_hold_tests(entry))
    return tuple(path for path, text in snapshot.texts(named) if text and _CONTAINS_TESTS.search(text))


@dataclass(eq=False)
class PythonModules:
    """Python modules of a snapshot by dotted name, and the imports between them."""

    snapshot: Snapshot
    through_packages: bool = True
    """Whether who imports a name from a package imports the file that the package has it from, too."""

    def __post_init__(self) -> None:
        paths = [e.path for e in self.snapshot.entries if e.path.endswith((".py", ".pyx")) and e.is_file]
        packages = {str(PurePosixPath(path).parent) for path in paths if path.endswith("/__init__.py")}
        self._names = {path: _dotted(path, packages) for path in paths}
        self._paths = {name: path for path, name in self._names.items() if name}
        self._imports: dict[str, frozenset[str]] = {}

    def imported_by(self, path: str) -> frozenset[str]:
        """Files of the snapshot that a file imports."""
        if path not in self._imports:
            self._imports[path] = frozenset(self._read(path)) - {path}
        return self._imports[path]

    def importers(self, path: str) -> frozenset[str]:
        """Files other than tests that import a file by name."""
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
        return self.snapshot.entry(path).size <= MAX_BYTES and word.encode() in self.snapshot.read(path)

    def _read(self, path: str) -> set[str]:
        return self._read_text(path, self.snapshot.text(path) or "", follow=self.through_packages)

    def _read_text(self, path: str, text: str, *, follow: bool) -> set[str]:
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
            if not inner and follow and self._paths.get(base, "").endswith("/__init__.py"):
                found |= self._passed_on(self._paths[base], names)
        return found

    def _passed_on(self, package: str, names: Sequence[str]) -> set[str]:
        """The files from which a package imports some names, so that others may import them from the package."""
        text = self.snapshot.text(package) or ""
        lines = [match[0] for match in _IMPORT.finditer(text) if match["names"]]
        wanted = [line for line in lines if any(re.search(rf"\b{re.escape(name)}\b", line) for name in names)]
        return set().union(*(self._read_text(package, line, follow=False) for line in wanted))


def _dotted(path: str, packages: set[str]) -> str:
    """Dotted name by which a file is imported, from its topmost package."""
    pure = PurePosixPath(path)
    parts = [] if pure.stem == "__init__" else [pure.stem]
    folder = pure.parent
    while str(folder) in packages:
        parts.insert(0, folder.name)
        folder = folder.parent
    return ".".join(parts)


@once_for_each
def modules_of(snapshot: Snapshot) -> PythonModules:
    """The Python modules of a snapshot, kept as long as the snapshot is."""
    return PythonModules(proxy(snapshot))


@once_for_each
def older_modules_of(snapshot: Snapshot) -> PythonModules:
    """The same as version 0.1 saw them."""
    return PythonModules(proxy(snapshot), through_packages=False)

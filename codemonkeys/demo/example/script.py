"""The example's tasks as they are written in tasks.yaml: files, issues, edits, scripts, and who answers what."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).with_name("tasks.yaml")


@dataclass(frozen=True)
class Replacement:
    """One place of an edit: lines of a file, and what stands there after it."""

    path: str
    old: str
    new: str


@dataclass(frozen=True)
class ExampleTask:
    """One task of the example."""

    id: str
    files: Mapping[str, str]
    """The repository at its base commit."""
    told: Mapping[str, Any]
    """The task as it is written in tasks.yaml."""

    @property
    def gold_patch(self) -> str:
        """The reference edit, as a diff."""
        return self.patch(self.told["gold"])

    def edit(self, name: str) -> list[Replacement]:
        """An edit by its name: whole lines and their replacements. Raises ValueError if a place is not unique."""
        return [self._replacement(given) for given in self.told["edits"][name]]

    def _replacement(self, given: Sequence[str] | Mapping[str, Any]) -> Replacement:
        path = given["file"] if isinstance(given, Mapping) else self.told["file"]
        old, *lines = given["replace"] if isinstance(given, Mapping) else given
        matching = [line for line in self.files[path].splitlines() if old.rstrip("\n") in line]
        if len(matching) != 1:
            raise ValueError(f"{self.id}: {old!r} is in {len(matching)} lines of {path}")
        return Replacement(path, matching[0], matching[0].replace(old.rstrip("\n"), "\n".join(lines).rstrip("\n")))

    def patch(self, name: str) -> str:
        """An edit by its name, as a diff in git's format."""
        after = dict(self.files)
        for place in self.edit(name):
            after[place.path] = after[place.path].replace(f"{place.old}\n", f"{place.new}\n")
        return "".join(
            f"diff --git a/{path} b/{path}\n"
            + "".join(
                difflib.unified_diff(
                    self.files[path].splitlines(keepends=True), text.splitlines(keepends=True), f"a/{path}", f"b/{path}"
                )
            )
            for path, text in after.items()
            if text != self.files[path]
        )

    def test_script(self, name: str) -> str:
        """A test script by its name: it ends with 2 if the issue is present, and with 0 if it is fixed."""
        cases = "".join(f"    ({code!r}, {code}, {value!r}),\n" for code, value in self.told["scripts"][name].items())
        return (
            f"import sys\n\nfrom {self.told['module']} import *\n\n{self.told.get('helpers', '')}\n"
            f"wrong = 0\nfor what, seen, expected in [\n{cases}]:\n"
            '    print(what, "is", repr(seen), "and should be", repr(expected))\n'
            "    wrong += seen != expected\nsys.exit(2 if wrong else 0)\n"
        )

    def hidden_tests(self) -> str:
        """The hidden tests as a program that reports as pytest does."""
        cases = "".join(
            f"    ({name!r}, lambda: {code}, {value!r}),\n" for name, (code, value) in self.told["hidden"].items()
        )
        return (
            f"from {self.told['module']} import *\n\n{self.told.get('helpers', '')}\n"
            f"for name, call, expected in [\n{cases}]:\n"
            "    try:\n        passed = call() == expected\n    except Exception:\n        passed = False\n"
            '    print("PASSED" if passed else "FAILED", f"tests/test_hidden.py::test_{name}")\n'
        )


@cache
def example_tasks() -> dict[str, ExampleTask]:
    """All tasks of the example by id, in order."""
    import yaml

    written = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return {id: ExampleTask(id, written["files"], told) for id, told in written["tasks"].items()}

"""Tells the outcomes of unittest, also where a script of the repository, such as Django's, runs its tests."""

import os
import sys
import unittest
from collections.abc import Callable, Iterator
from typing import Any


def report(plan: "dict[str, Any]", options: "list[str]", tell: "Callable[..., None]") -> int:
    """Run the tests in this process, by `plan["script"]` if there is one; returns how it ended."""
    watch_results(tell)
    if plan["wanted"] is not None:
        leave_out(set(plan["wanted"]))
    if plan["script"]:
        return run_script(plan["script"], plan["files"], options)
    if os.path.isdir("src"):
        sys.path.insert(0, os.path.abspath("src"))
    loader = unittest.TestLoader()
    suite = unittest.TestSuite(loader.loadTestsFromName(module_of(path)) for path in plan["files"])
    return int(not unittest.TextTestRunner().run(suite).wasSuccessful())


def module_of(path: str) -> str:
    """The name by which a test file is imported, from its topmost package; the folder of that is put on the path."""
    folder, name = os.path.split(os.path.abspath(path))
    parts = [os.path.splitext(name)[0]]
    while os.path.isfile(os.path.join(folder, "__init__.py")):
        folder, name = os.path.split(folder)
        parts.insert(0, name)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return ".".join(parts)


def run_script(script: str, files: "list[str]", options: "list[str]") -> int:
    """Run Django's own script on the modules of test files, which it names from its own folder."""
    import runpy

    folder = os.path.dirname(os.path.abspath(script))
    labels = [os.path.splitext(os.path.relpath(os.path.abspath(path), folder))[0].split(os.sep) for path in files]
    sys.path.insert(0, folder)
    sys.argv = [os.path.abspath(script)] + options + [".".join(label) for label in labels]
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


def leave_out(wanted: "set[str]") -> None:
    """Have all suites leave out the tests that are not wanted."""
    every = unittest.BaseTestSuite.__iter__

    def chosen(suite: "unittest.BaseTestSuite") -> "Iterator[Any]":
        return (test for test in every(suite) if not isinstance(test, unittest.TestCase) or test.id() in wanted)

    suites: Any = unittest.BaseTestSuite
    suites.__iter__ = chosen


def watch_results(tell: "Callable[..., None]") -> None:
    """Have all results of unittest tell what they are told, whatever class the runner takes for them."""

    def name_of(test: "Any") -> str:
        return str(test.id() if hasattr(test, "id") else test)

    def watch(method: str, outcome: str, failed: bool = False) -> None:
        original = getattr(unittest.TestResult, method)

        def told(self: "Any", test: "Any", *details: "Any", **more: "Any") -> "Any":
            text = self._exc_info_to_string(details[0], test) if failed and details else ""
            tell(name_of(test), outcome, text)
            return original(self, test, *details, **more)

        setattr(unittest.TestResult, method, told)

    watch("startTest", "running")
    watch("addSuccess", "passed")
    watch("addFailure", "failed", True)
    watch("addError", "error", True)
    watch("addSkip", "skipped")
    watch("addExpectedFailure", "expected failure")
    watch("addUnexpectedSuccess", "failed")
    of_part = unittest.TestResult.addSubTest

    def told_of_part(self: "Any", test: "Any", part: "Any", error: "Any") -> None:
        if error is not None:
            tell(name_of(test), "failed", self._exc_info_to_string(error, part))
        of_part(self, test, part, error)

    results: Any = unittest.TestResult
    results.addSubTest = told_of_part

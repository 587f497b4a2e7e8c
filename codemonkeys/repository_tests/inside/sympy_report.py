"""Tells the outcomes of SymPy's own test runner, the one behind `bin/test`."""

import importlib
import os
import traceback
from collections.abc import Callable
from typing import Any


def report(plan: "dict[str, Any]", options: "list[str]", tell: "Callable[..., None]") -> int:
    """Run SymPy's tests in this process; returns how it ended."""
    runner: Any = importlib.import_module(plan["script"])
    current = {"file": "", "test": ""}

    def watch(method: str, then: "Callable[..., None]") -> None:
        original = getattr(runner.PyTestReporter, method)

        def told(self: "Any", *details: "Any", **more: "Any") -> "Any":
            then(*details)
            return original(self, *details, **more)

        setattr(runner.PyTestReporter, method, told)

    def name_of(test: "Any") -> str:
        return current["file"] + "::" + str(getattr(test, "__name__", test))

    def entering_file(filename: str, *_: "Any") -> None:
        current["file"] = os.path.relpath(filename).replace(os.sep, "/")

    def entering_test(test: "Any") -> None:
        current["test"] = name_of(test)
        tell(current["test"], "running")

    def ended(outcome: str) -> "Callable[..., None]":
        def then(*details: "Any") -> None:
            failed = bool(details) and isinstance(details[0], tuple)
            tell(current["test"], outcome, "".join(traceback.format_exception(*details[0])) if failed else "")

        return then

    def not_imported(filename: str, error: "Any") -> None:
        text = "".join(traceback.format_exception(*error))
        tell(os.path.relpath(filename).replace(os.sep, "/"), "error", text)

    watch("entering_filename", entering_file)
    watch("entering_test", entering_test)
    watch("import_error", not_imported)
    outcomes = {
        "pass": "passed",
        "fail": "failed",
        "exception": "error",
        "skip": "skipped",
        "xfail": "expected failure",
    }
    outcomes["xpass"] = "failed"
    for method, outcome in outcomes.items():
        watch("test_" + method, ended(outcome))
    if plan["wanted"] is not None:
        names = set(plan["wanted"])
        runs = runner.SymPyTests.test_file
        files = {name.split("::")[0] for name in names}

        def test_file(self: "Any", filename: str, *details: "Any", **more: "Any") -> "Any":
            path = os.path.relpath(filename).replace(os.sep, "/")
            if path not in files:
                return None
            self.matches = lambda test: path + "::" + str(getattr(test, "__name__", test)) in names
            return runs(self, filename, *details, **more)

        runner.SymPyTests.test_file = test_file
    passed = runner.test(*plan["files"], subprocess=False, colors=False)
    return int(not passed)

"""Tells the outcomes of pytest."""

from collections.abc import Callable
from typing import Any


def report(plan: "dict[str, Any]", options: "list[str]", tell: "Callable[..., None]") -> int:
    """Run pytest in this process; returns how it ended."""
    import pytest

    class Reporter:
        """What pytest calls."""

        @staticmethod
        def pytest_collection_modifyitems(config: "pytest.Config", items: "list[pytest.Item]") -> None:
            """Leave out the tests that are not wanted."""
            if plan["wanted"] is None:
                return
            names = set(plan["wanted"])
            left_out = [item for item in items if item.nodeid not in names]
            if left_out:
                config.hook.pytest_deselected(items=left_out)
                items[:] = [item for item in items if item.nodeid in names]

        @staticmethod
        def pytest_runtest_logstart(nodeid: str, location: "tuple[str, int, str]") -> None:
            """A test began: it is known should it never end."""
            tell(nodeid, "running")

        @staticmethod
        def pytest_runtest_logreport(report: "pytest.TestReport") -> None:
            """A phase of a test ended: what it was if it did not pass, or if it is the test itself."""
            if report.when == "call" or report.outcome != "passed":
                outcome = "expected failure" if hasattr(report, "wasxfail") else report.outcome
                text = str(report.longrepr) if report.outcome == "failed" else ""
                tell(report.nodeid, outcome if report.when == "call" or outcome != "failed" else "error", text)

        @staticmethod
        def pytest_collectreport(report: "pytest.CollectReport") -> None:
            """A file was collected: why not, if it was not."""
            if report.failed:
                tell(report.nodeid, "error", str(report.longrepr))

    fixed = ["-q", "--maxfail=0", "--continue-on-collection-errors", "-p", "no:randomly"]
    return int(pytest.main(fixed + options + plan["files"], plugins=[Reporter()]))

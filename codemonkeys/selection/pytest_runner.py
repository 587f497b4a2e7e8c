"""Runs tests of a repository and tells what became of each. Its text is run inside a sandbox, by the environment's own
Python, which may be as old as 3.6: hence quoted types, no newer syntax, and nothing of ours.

The tests run in a process of their own. What they print cannot be taken for a result: standard output is taken away
from them, and every line of the report begins with a word that the reporter was told and never tells. Code that goes
looking for that word in the interpreter's memory could still forge a result; a missing result counts as a failure.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from typing import Any

TAIL = 2000
"""Characters of what the tests printed that are told, from the end."""
USAGE_ERROR = 4
"""What pytest exits with when it does not understand its options, such as those of a plugin that is not installed."""


def run(plan: "dict[str, Any]") -> None:
    """Run tests and print one line of JSON: outcome by test, how pytest ended, whether time ran out.

    `plan`: `files` to run; `restore`: paths to put back as they were committed, so that no edit of a test or of its
    configuration decides; `wanted`: ids of the tests to run, or null for all; `seconds` to run at most.
    """
    git = ["git", "-c", "safe.directory=*", "checkout", "--quiet", "HEAD", "--"]
    subprocess.call(git + plan["restore"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    told = attempt(plan, [])
    if told["exit"] == USAGE_ERROR and not told["tests"]:
        told = attempt(plan, ["-o", "addopts="])
    print(json.dumps(told))


def attempt(plan: "dict[str, Any]", options: "list[str]") -> "dict[str, Any]":
    """Run pytest once in a process of its own."""
    word = os.urandom(16).hex()
    tests: dict[str, str] = {}
    ended: list[int | str] = []
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            [sys.executable, os.path.abspath(sys.argv[0]), "child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
        assert child.stdin and child.stdout
        timed_out = threading.Event()

        def stop() -> None:
            timed_out.set()
            os.killpg(child.pid, signal.SIGKILL)

        timer = threading.Timer(plan["seconds"], stop)
        timer.daemon = True
        timer.start()
        try:
            child.stdin.write(json.dumps([word, plan["files"], plan["wanted"], options]).encode())
            child.stdin.close()
        except OSError:
            pass
        for line in child.stdout:
            start, _, rest = line.decode("utf-8", "replace").partition(" ")
            if start != word:
                continue
            name, outcome = json.loads(rest)
            if name is None:
                ended.append(outcome)
            elif outcome == "running":
                tests.setdefault(name, outcome)
            elif tests.get(name) in (None, "running", "passed"):
                # Setup, call and teardown each report; the first that did not pass is the outcome.
                tests[name] = outcome
        child.wait()
        timer.cancel()
        log.seek(0, 2)
        log.seek(max(0, log.tell() - TAIL))
        tail = log.read().decode("utf-8", "replace")
    return {"tests": tests, "exit": ended[-1] if ended else None, "timed_out": timed_out.is_set(), "said": tail}


def child() -> None:
    """Run pytest in this process, and report on what was standard output."""
    word, files, wanted, options = json.loads(sys.stdin.read())
    channel = os.dup(1)
    os.dup2(2, 1)
    sys.path[0] = os.getcwd()

    def tell(name: "str | None", outcome: "int | str") -> None:
        line = (word + " " + json.dumps([name, outcome]) + "\n").encode()
        while line:
            line = line[os.write(channel, line) :]

    try:
        import pytest
    except ImportError:
        tell(None, "no pytest")
        return

    class Reporter:
        """What pytest calls."""

        @staticmethod
        def pytest_collection_modifyitems(config: "pytest.Config", items: "list[pytest.Item]") -> None:
            """Leave out the tests that are not wanted."""
            if wanted is None:
                return
            names = set(wanted)
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
                tell(report.nodeid, outcome if report.when == "call" or outcome != "failed" else "error")

    fixed = ["-q", "--maxfail=0", "--continue-on-collection-errors", "-p", "no:randomly"]
    code = pytest.main(fixed + options + files, plugins=[Reporter()])
    tell(None, int(code))


if __name__ == "__main__" and sys.argv[1:] == ["child"]:
    child()

"""Runs tests in a process of their own and tells what became of each, in one line of JSON.

What tests print cannot be taken for a result: standard output is taken away from them, and every line of the report
begins with a word that only the reporting process knows and never prints. Code that goes looking for that word in the
interpreter's memory could still forge a result; a missing result counts as a failure.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from typing import Any

TAIL = 2000
"""Characters of what the tests printed that are told, from the end."""
TEXT = 4000
"""Characters of the text of a failure, from its end, where it says what went wrong."""
TEXTS = 50
"""Failures whose text is told."""
USAGE_ERROR = 4
"""What pytest exits with when it does not understand its options, such as those of a plugin that is not installed."""


def main(plan: "dict[str, Any]", report: "Callable[..., Any]") -> None:
    """Run tests and print what became of them; or, as the child, have `report` run them.

    `plan`: `python`, the interpreter that has the test runner; `files` to run; `restore`, paths to put back as they
    were committed, so that no edit of a test or of its configuration decides; `wanted`, names of the tests to run, or
    null for all; `seconds` to run at most; `options` of one attempt after the other.
    """
    if sys.argv[1:] == ["child"]:
        child(plan, report)
        return
    git = ["git", "-c", "safe.directory=*", "checkout", "--quiet", "HEAD", "--"]
    subprocess.call(git + plan["restore"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for options in plan["options"]:
        told = attempt(plan, options)
        if told["tests"] or told["exit"] != USAGE_ERROR:
            break
    print(json.dumps(told))


def attempt(plan: "dict[str, Any]", options: "list[str]") -> "dict[str, Any]":
    """Run the tests once in a process of their own."""
    word = os.urandom(16).hex()
    tests: dict[str, str] = {}
    texts: dict[str, str] = {}
    ended: list[int | str] = []
    with tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            [plan["python"], os.path.abspath(sys.argv[0]), "child"],
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
            child.stdin.write(json.dumps([word, options]).encode())
            child.stdin.close()
        except OSError:
            pass
        for line in child.stdout:
            start, _, rest = line.decode("utf-8", "replace").partition(" ")
            if start != word:
                continue
            name, outcome, text = json.loads(rest)
            if name is None:
                ended.append(outcome)
            elif outcome == "running":
                tests.setdefault(name, outcome)
            elif tests.get(name) in (None, "running", "passed"):
                # Setup, call and teardown each report; the first that did not pass is the outcome.
                tests[name] = outcome
                if text and len(texts) < TEXTS:
                    texts[name] = text
        child.wait()
        timer.cancel()
        log.seek(0, 2)
        log.seek(max(0, log.tell() - TAIL))
        tail = log.read().decode("utf-8", "replace")
    end = ended[-1] if ended else None
    return {"tests": tests, "texts": texts, "exit": end, "timed_out": timed_out.is_set(), "said": tail}


def child(plan: "dict[str, Any]", report: "Callable[..., Any]") -> None:
    """Have `report` run the tests in this process, and pass on what it tells, on what was standard output."""
    word, options = json.loads(sys.stdin.read())
    channel = os.dup(1)
    os.dup2(2, 1)
    here = os.getcwd()
    sys.path[0:1] = [here]

    def tell(name: "str | None", outcome: "int | str", text: str = "") -> None:
        line = (word + " " + json.dumps([name, outcome, text[-TEXT:]]) + "\n").encode()
        while line:
            line = line[os.write(channel, line) :]

    tell(None, report(plan, options, tell))

"""Runs the conformance suite against a sandbox: `python -m sandboxes.conformance MODULE:FACTORY [-k WORD]`.

The factory takes the folder of the repository that the checks expect, and returns a sandbox and an environment that
contains this repository. Exit code 0: every check holds; 1: some fail; 2: the factory could not be called.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from sandboxes.base import Environment, Sandbox
from sandboxes.conformance import CHECKS, SESSION_CHECKS, prepare_repository
from sandboxes.sessions import SessionSandbox

Factory = Callable[[Path], tuple[Sandbox, Environment]]


def load(name: str) -> Factory:
    """The factory named as `MODULE:FACTORY`; its module may lie in the current folder."""
    module, _, attribute = name.partition(":")
    sys.path.insert(0, os.getcwd())
    factory: Factory = getattr(importlib.import_module(module), attribute)
    return factory


def main(arguments: list[str] | None = None) -> int:
    """Run the checks one by one and print each result."""
    parser = argparse.ArgumentParser(prog="python -m sandboxes.conformance", description=__doc__)
    parser.add_argument("factory", metavar="MODULE:FACTORY")
    parser.add_argument("-k", default="", metavar="WORD", help="only checks whose names contain this word")
    given = parser.parse_args(arguments)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        repository = Path(folder, "repository")
        prepare_repository(repository)
        try:
            sandbox, environment = load(given.factory)(repository)
        except (ImportError, AttributeError, TypeError, ValueError) as error:
            print(f"{given.factory} is not a factory of a sandbox and an environment: {error}", file=sys.stderr)
            return 2
        try:
            sandbox.ensure(environment)
            of_sessions = SESSION_CHECKS if isinstance(sandbox, SessionSandbox) else ()
            chosen: list[Callable[..., None]] = [c for c in (*CHECKS, *of_sessions) if given.k in c.__name__]
            for check in chosen:
                started = time.monotonic()
                try:
                    check(sandbox, environment)
                    verdict = "holds"
                except Exception as error:
                    failed += 1
                    verdict = f"FAILS {type(error).__name__}: {error}"
                print(f"{check.__name__:40} {time.monotonic() - started:6.1f} s  {verdict}", flush=True)
        finally:
            sandbox.close()
    print(f"{len(chosen) - failed} of {len(chosen)} checks hold")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

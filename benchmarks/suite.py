"""Time of `make test` without Docker, and of the gate, beside those of an earlier revision.

    CODEMONKEYS_TEST_DATA=FOLDER python -m benchmarks.suite [REVISION] [--gate] [--rounds 1]

Both builds are clean clones with a virtual environment of their own; setting that up is part of the gate's time alone.
They are measured in turn, round by round, so that both see the same machine. The gate needs root: see .ci/run.

Ends with one line `RESULT test_ratio= gate_ratio=`: this build's median over that of the earlier one; `gate_ratio=-`
without --gate.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
BEFORE = "abf2ed1"
"""The last revision in which `make test` ran everything, and each command was a process of its own."""


class Took(NamedTuple):
    """What a command took, and what pytest said in the end."""

    seconds: float
    cpu: float
    said: str


def clone(revision: str, folder: Path) -> Path:
    """A clean clone of this repository at a revision."""
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    subprocess.run(["git", "-C", str(folder), "checkout", "--quiet", "--detach", revision], check=True)
    return folder


def cpu_of_children() -> float:
    """CPU seconds of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(command: list[str], folder: Path, **variables: str) -> Took:
    """Run a command to its end; exits with what it said if it fails."""
    began, before = time.monotonic(), cpu_of_children()
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    took = time.monotonic() - began
    if done.returncode:
        sys.exit(f"{done.stdout[-20_000:]}\n{' '.join(command)} failed in a clone of {folder.name}")
    summaries = re.findall(r"^=+ (.*(?:passed|skipped).*?) =+$", done.stdout, re.M)
    return Took(took, cpu_of_children() - before, "; ".join(summaries))


def main() -> None:
    """Clone both builds, measure them in turn, print a table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", nargs="?", default=BEFORE)
    parser.add_argument("--gate", action="store_true")
    parser.add_argument("--rounds", type=int, default=1)
    options = parser.parse_args()
    head = subprocess.check_output(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], text=True).strip()
    times: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="suite-") as place:
        for number in range(options.rounds):
            for revision in (options.revision, head):
                if options.gate:
                    folder = clone(revision, Path(place) / f"gate-{number}-{revision}")
                    report("gate", revision, run([".ci/run"], folder), times)
                folder = clone(revision, Path(place) / f"test-{number}-{revision}")
                run(["make", ".venv/ready-to-test"], folder)
                no_docker = f"unix://{place}/no-docker.sock"
                report("make test", revision, run(["make", "test"], folder, DOCKER_HOST=no_docker), times)
    ratios = {
        name: statistics.median(times[name, head]) / statistics.median(times[name, options.revision])
        for name in dict.fromkeys(name for name, _ in times)
    }
    gate = f"{ratios['gate']:.3f}" if options.gate else "-"
    print(f"RESULT test_ratio={ratios['make test']:.3f} gate_ratio={gate}")


def report(name: str, revision: str, took: Took, times: dict[tuple[str, str], list[float]]) -> None:
    """Keep a measurement and print its row."""
    times.setdefault((name, revision), []).append(took.seconds)
    print(f"{name:10} {revision:9} {took.seconds:7.1f} s {took.cpu:7.1f} s CPU  {took.said}", flush=True)


if __name__ == "__main__":
    main()

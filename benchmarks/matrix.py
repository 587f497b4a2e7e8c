"""A vote matrix: every script on every candidate, by this version of the sandboxes and by that of another checkout.

Run as `python benchmarks/matrix.py CHECKOUT`, it reads a job from standard input as JSON, carries it out with the
package `sandboxes` of that checkout, and prints the seconds it took and the result of each cell. `ratios` starts such
processes in turn: it is what `python -m benchmarks.sandboxes --matrix` calls.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

WORKERS = 4
SCRIPTS = tuple(
    f"""import sys
import flask
app = flask.Flask("app")
{attempt}
sys.exit(2)
"""
    for attempt in (
        *(f"try: flask.Blueprint({name!r}, 'app')\nexcept ValueError: sys.exit(0)" for name in ("", "a.b", "plain")),
        *(
            f"made = flask.Blueprint('b{number}', 'app')\napp.register_blueprint(made, url_prefix='/{number}')\n"
            f"print(sorted(app.blueprints))\nsys.exit({number} % 3)"
            for number in range(7)
        ),
    )
)
"""Ten scripts that import flask, as those of a vote do; some find the issue, some do not."""


def candidates(folder: Path, count: int) -> list[str]:
    """Distinct patches of a task: those that its folder has, and variations of the reference fix."""
    rows = [json.loads(line) for line in (folder / "candidates.jsonl").read_text("utf-8").splitlines()]
    gold = (folder / "gold.patch").read_text("utf-8")
    new = "diff --git a/note{0} b/note{0}\nnew file mode 100644\n--- /dev/null\n+++ b/note{0}\n@@ -0,0 +1 @@\n+{0}\n"
    found = dict.fromkeys([gold, *(str(row["model_patch"]) for row in rows if row["model_patch"])])
    found |= dict.fromkeys(gold + new.format(number) for number in range(count))
    return list(found)[:count]


def ratios(
    folders: Sequence[Path], environment: dict[str, Any], patches: Sequence[str], way: str, rounds: int
) -> tuple[float, float, bool]:
    """The first checkout's time over the second's, the scripts' alone over the second's, and whether cells are equal.

    `environment`: arguments of `Environment`. `way`: `local`, `docker` or `reuse`.
    """
    job = json.dumps({"environment": environment, "patches": list(patches), "way": way})
    times: list[list[float]] = []
    cells = []
    for _ in range(rounds):
        row = []
        for folder in folders:
            words = [sys.executable, __file__, str(folder)]
            done = json.loads(subprocess.run(words, input=job, stdout=subprocess.PIPE, check=True, text=True).stdout)
            row.append(done["seconds"])
            cells.append(done["cells"])
        times.append([*row, _alone(environment, len(patches))])
    equal = all(found == cells[0] for found in cells)
    new, alone = (statistics.median(row[index] / row[1] for row in times) for index in (0, 2))
    print(f"matrix {way}: seconds of each round (new, before, the scripts alone) {times}; equal cells: {equal}")
    return new, alone, equal


def _alone(environment: dict[str, Any], count: int) -> float:
    """Seconds that the scripts take in bare processes on the image's root file system."""
    words = [shutil.which("chroot") or "chroot", environment["root"], "python", "-c"]
    variables = dict(environment["variables"])

    def run(text: str) -> None:
        subprocess.run([*words, text], env=variables, check=False, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)

    return _timed(run, SCRIPTS * count)


def _timed(run: Callable[[str], object], cases: Sequence[str]) -> float:
    started = time.perf_counter()
    with ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(run, cases))
    return time.perf_counter() - started


def main() -> None:
    """Carry out a job with the sandboxes of a checkout."""
    sys.path[0] = sys.argv[1]
    from sandboxes import Environment, Sandbox, Script
    from sandboxes.docker import DockerSandbox
    from sandboxes.local import LocalSandbox

    job = json.load(sys.stdin)
    given = dict(job["environment"])
    given |= {"root": Path(given["root"]), "variables": tuple((name, value) for name, value in given["variables"])}
    environment, way = Environment(**given), job["way"]
    sandbox: Sandbox
    if way == "local":
        sandbox = LocalSandbox()
    else:
        sandbox = DockerSandbox("benchmark-matrix", reuse=way == "reuse", ahead=WORKERS)
    try:
        sandbox.ensure(environment)
        found: dict[tuple[str, str], list[object]] = {}

        def cell(patch: str, text: str) -> None:
            done = sandbox.run(environment, Script(text), patch)
            found[patch, text] = [done.reason.value, done.exit_code, done.output]

        started = time.perf_counter()
        with ThreadPoolExecutor(WORKERS) as pool:
            for patch in job["patches"]:
                for text in SCRIPTS:
                    pool.submit(cell, patch, text)
        seconds = time.perf_counter() - started
    finally:
        sandbox.close()
    cells = [found[patch, text] for patch in job["patches"] for text in SCRIPTS]
    print(json.dumps({"seconds": seconds, "cells": cells}))


if __name__ == "__main__":
    main()

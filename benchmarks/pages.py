"""The pages of `codemonkeys view` on the journal of a large run: how long each takes, and the search over all texts.

    python -m benchmarks.pages [--tasks 500] [--samples 10] [--files 40] [--keep FOLDER]

The journal is that of `benchmarks.journal` for a few tasks, copied in SQLite until there are as many as asked for; each
copy has texts of its own. A server process of the command shows it. Every kind of page is asked for over HTTP, ours and
those of tables, several times in turn; its time is the median. The same for searches, once the index is built: frequent
words, rare ones, phrases and beginnings of words. Memory is the highest of the server, building the index included.

Ends with one line `RESULT slowest_page_s= search_s= rss_mb=`.
"""

from __future__ import annotations

import argparse
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from benchmarks.copied_tasks import copy_tasks
from benchmarks.journal import RUN, in_a_process
from benchmarks.parts import make_repository

FIRST = 10
"""Tasks that the pipeline really takes; the others are copies."""
TIMES = 5
"""Requests of each page."""
SEARCHES = ("value", "value result", '"session state token"', "codemonkeys_dry_run", "modul", "trajectory 7", "nowhere")


@contextmanager
def serving(runs: Path, home: Path) -> Iterator[tuple[str, int]]:
    """Address and process id of a server."""
    command = [sys.executable, "-m", "codemonkeys", "view", RUN, "--runs", str(runs), "--port", "0"]
    environment = {**os.environ, "CODEMONKEYS_HOME": str(home)}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as server:
        assert server.stderr is not None
        try:
            (address,) = re.findall(r"http://\S+(?=/ )", server.stderr.readline())
            yield address, server.pid
        finally:
            server.terminate()


def seconds_of(address: str) -> tuple[float, str]:
    """Seconds that a page takes, and the page."""
    began = time.perf_counter()
    with urllib.request.urlopen(address) as answer:
        page = answer.read().decode()
    return time.perf_counter() - began, page


def median_of(address: str) -> float:
    """Median of the seconds that a page takes."""
    return statistics.median(seconds_of(address)[0] for _ in range(TIMES))


def pages_of(task: str) -> list[str]:
    """The address of a page of each kind."""
    return [
        *(
            "/",
            f"/-/run/{RUN}",
            f"/-/run/{RUN}?verdict=resolved",
            f"/-/task/{RUN}/{task}",
            f"/-/runs?one={RUN}&other={RUN}",
        ),
        *(f"/-/trajectory/{RUN}/{task}/7", f"/-/conversation/{RUN}/{task}/select/1", f"/-/vote/{RUN}/{task}/1/7"),
        *(f"/-/candidates/{RUN}/{task}?one=1&other=2", f"/-/search?run={RUN}", f"/{RUN}"),
        *(f"/{RUN}/{name}" for name in ("tasks", "messages", "answers", "outputs", "votes", "call_steps", "texts")),
        *(f"/{RUN}/answers?task={task}", f"/{RUN}/tasks?_facet=state", f"/{RUN}/outputs.json?task={task}"),
        f"/{RUN}?sql={quote('select stage, calls, cost_usd from spend_by_stage')}",
    ]


def measure(database: Path, home: Path, task: str) -> None:
    """Print what pages and searches take."""
    with serving(database.parent.parent, home) as (address, pid):
        began = time.perf_counter()
        while "being built" in seconds_of(f"{address}/-/search?run={RUN}")[1]:
            time.sleep(1)
        size = sum(path.stat().st_size for path in home.rglob("*.db*")) / 1e6
        print(f"index built in {time.perf_counter() - began:.0f} s, {size:.0f} MB", flush=True)
        found = {page: median_of(f"{address}{page}") for page in pages_of(task)}
        searches = {words: median_of(f"{address}/-/search?run={RUN}&q={quote(words)}") for words in SEARCHES}
        for name, seconds in {**found, **searches}.items():
            print(f"{seconds:7.3f} s  {name}")
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    slowest, search = max(found.values()), max(searches.values())
    print(f"RESULT slowest_page_s={slowest:.2f} search_s={search:.2f} rss_mb={int(peak) / 1024:.0f}")


def main() -> None:
    """Make the journal, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--keep", type=Path, help="Folder for the journal; one that is there is measured again.")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = chosen.keep or Path(name)
        database = folder / "runs" / RUN / "run.db"
        if not database.exists():
            make_repository(folder / "repository", chosen.files, 40)
            in_a_process(folder, min(FIRST, chosen.tasks), chosen.samples, 1.0)
            copy_tasks(database, chosen.tasks)
        print(f"{chosen.tasks} tasks x {chosen.samples} samples, {database.stat().st_size / 1e6:.0f} MB", flush=True)
        with closing(sqlite3.connect(database)) as connection:
            (task,) = connection.execute("SELECT id FROM tasks ORDER BY position DESC LIMIT 1").fetchone()
        measure(database, folder / "home", task)


if __name__ == "__main__":
    main()

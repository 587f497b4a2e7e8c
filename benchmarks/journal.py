"""The journal of a large run: its size, the time for the summary, and the time to resume.

    python -m benchmarks.journal [--tasks 500] [--samples 10] [--files 40] [--copies 1]

A first session of the whole runner and pipeline takes the tasks until nine tenths have ended, and is stopped; model and
executions are simulated, with texts as long as those of the paper's run (Table 1: about 1,300 tokens an answer). Then,
each in a new process:

    summary    `codemonkeys show`, start of the program included
    status     `codemonkeys status`, the same
    resume     from the start of a session to its first new call, as at an endpoint of one's own, without litellm
    hosted     the same with litellm loaded, which takes most of it; this session is killed there

The resumed session goes on to the end of the run; memory is its highest. Ends with one line `RESULT summary_s=
resume_s= rss_mb= size_mb=`; the size is that of the finished journal.

With `--copies`, the tasks of the first session are copied in SQLite until there are so many times as many, and all
sessions after it are killed at their first new call: what opening a larger run takes, without making one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.copied_tasks import copy_tasks
from benchmarks.parts import WORDS, SimulatedSandbox, make_repository, make_tasks, preparing
from codemonkeys.engine.events import Event
from codemonkeys.engine.steps import Steps
from codemonkeys.engine.stop import Stop
from codemonkeys.journal.store import Journal
from codemonkeys.models.base import Completion, Price, Request, Usage
from codemonkeys.models.fake_answers import answer
from codemonkeys.models.litellm_calls import load
from codemonkeys.models.roles import ModelSet
from codemonkeys.runs.runner import run_tasks
from codemonkeys.settings import load_settings
from sandboxes.base import Environment, Execution, Limits, Script

STOP_AT = 0.9
"""Share of the tasks that the first session finishes."""
THOUGHTS = 5_000
"""Characters of an answer before what it answers with; relevance and ranking answer shortly."""
PRINTED = 3_000
"""Characters that a script prints."""
RUN = "run"


def prose(seed: str, characters: int) -> str:
    """Random words, deterministic by seed."""
    words = random.Random(seed).choices(WORDS, k=characters // 7)
    return " ".join(words)


class TalkingModel:
    """The fake model with reasoning text before each answer, and a different test script per trajectory."""

    name = "talking"

    def __init__(self, only_first: bool) -> None:
        """`only_first`: kill this process at its first call, and say when and with how much memory that was."""
        self.price: Price | None = Price(1e-6, 5e-6, 1e-7, 1.25e-6)
        self.first_call: float | None = None
        self._only_first = only_first

    def count_tokens(self, text: str) -> int:
        """An estimate."""
        return len(text) // 4

    async def complete(self, request: Request) -> Completion:
        """Answer one request at once."""
        if self.first_call is None:
            self.first_call = time.time()
            if self._only_first:
                print(json.dumps({"first_call": self.first_call, "rss_mb": highest_mb()}), flush=True)
                os._exit(0)
        text = answer(request)
        if request.key.stage in ("test", "edit", "select"):
            if request.key.stage == "test":
                text = text.replace("import os\n", f"# {request.key}\nimport os\n", 1)
            text = f"{prose(str(request.key), THOUGHTS)}\n\n{text}"
        return Completion(text, "stop", Usage(30_000, len(text) // 4, 25_000), self.name, 1.0)

    async def close(self) -> None:
        """Nothing is open."""


@dataclass
class TalkingSandbox(SimulatedSandbox):
    """A simulated sandbox in which every script prints different output."""

    def run(
        self, environment: Environment, script: Script, patch: str | None = None, limits: Limits | None = None
    ) -> Execution:
        """What the fake model's script finds, with a long output."""
        done = super().run(environment, script, patch, limits)
        return Execution(done.reason, done.exit_code, output=prose(f"{script.text}{patch}", PRINTED))


def highest_mb() -> float:
    """The most memory that this process has taken so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def session(
    folder: Path, tasks: int, samples: int, stop_at: float, hosted: bool = False, only_first: bool = False
) -> dict[str, float]:
    """Continue the run until a share of its tasks has ended; returns times by `time.time`.

    `hosted`: with litellm loaded. `only_first`: see `TalkingModel`.
    """
    if hosted:
        load()
    settings = load_settings(
        context={"batch_tokens": 0}, generation={"samples": samples}, operation={"calls": 64, "budget": 1e6}
    )
    model = TalkingModel(only_first)
    journal = Journal(folder / "runs", RUN, "simulated", {"ids": [], **settings.model_dump(mode="json")})
    try:
        stop, ended = Stop(), 0

        def notify(event: Event) -> None:
            nonlocal ended
            ended += event.kind == "task" and event.stage == "predicted"
            if ended >= stop_at * tasks:
                stop.drain()

        models = ModelSet(model, model)
        steps = Steps(journal, models, TalkingSandbox(), settings.operation, notify=notify, stop=stop)
        done = asyncio.run(run_tasks(make_tasks(tasks), settings, steps, preparing(folder / "repository")))
    finally:
        journal.close()
    assert len(done) == tasks or stop_at < 1
    return {"first_call": model.first_call or 0.0, "rss_mb": highest_mb(), "ended": float(len(done))}


def in_a_process(folder: Path, tasks: int, samples: int, stop_at: float, *flags: str) -> dict[str, float]:
    """The same in a separate process. `flags`: `--hosted`, `--only-first`."""
    numbers = ["--tasks", str(tasks), "--samples", str(samples), "--stop-at", str(stop_at), *flags]
    command = [sys.executable, "-m", "benchmarks.journal", "--session", str(folder), *numbers]
    found: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return found


def seconds_of(folder: Path, command: str) -> float:
    """Seconds that a command takes on the run."""
    began = time.perf_counter()
    words = [sys.executable, "-m", "codemonkeys", command, RUN, "--runs", str(folder / "runs")]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    """Create the journal, measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=500)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--files", type=int, default=40)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--hosted", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--only-first", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--session", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--stop-at", type=float, default=1.0, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    size = chosen.tasks, chosen.samples
    if chosen.session:
        print(json.dumps(session(chosen.session, *size, chosen.stop_at, chosen.hosted, chosen.only_first)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_repository(folder / "repository", chosen.files, 40)
        began = time.perf_counter()
        first = in_a_process(folder, *size, STOP_AT)
        took = time.perf_counter() - began
        print(f"first session: {first['ended']:.0f} tasks in {took:.0f} s, {first['rss_mb']:.0f} MB", flush=True)
        database = folder / "runs" / RUN / "run.db"
        if chosen.copies > 1:
            copy_tasks(database, chosen.tasks * chosen.copies)
            size = chosen.tasks * chosen.copies, chosen.samples
        moment = time.time()
        hosted = in_a_process(folder, *size, 1.0, "--hosted", "--only-first")
        print(
            f"resume with litellm: {hosted['first_call'] - moment:.2f} s, {hosted['rss_mb']:.0f} MB at the first call"
        )
        moment = time.time()
        second = in_a_process(folder, *size, 1.0, *["--only-first"] * (chosen.copies > 1))
        resume = second["first_call"] - moment
        summary, status = seconds_of(folder, "show"), seconds_of(folder, "status")
        size_mb = database.stat().st_size / 1e6
        print(f"{size[0]} tasks x {chosen.samples} samples; `codemonkeys status` {status:.2f} s")
        print(
            f"RESULT summary_s={summary:.2f} resume_s={resume:.2f} rss_mb={second['rss_mb']:.0f} size_mb={size_mb:.0f}"
        )


if __name__ == "__main__":
    main()

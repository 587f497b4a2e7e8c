"""Calls per second of the whole pipeline on a zero-latency endpoint, compared with plain `litellm.acompletion`.

    python -m benchmarks.overhead [--tasks 4] [--files 400] [--samples 10] [--concurrency 64] [--rounds 3]
                                  [--endpoint URL]

By default nine calls of ten read one file each, as the scan of a repository does, and the rest are those of ten
trajectories and a selection.

All send the same requests to the same endpoint, as many at one time, in turn: a process of this machine, or an
OpenAI-compatible one at the address given (such as http://127.0.0.1:8123/v1) that answers by the rules this prints
with `--rules`. The pipeline runs whole, with journal, prices and a budget; only executions are simulated. It does so
without litellm, as for any endpoint of the user's own, and through litellm, as for hosted models. Bare litellm is a
process of its own, which changes nothing about it: the pipeline has it leave out what the journal does, to price
every answer and to offer it to loggers; and it collects garbage as the command line does. CPU is that of all threads
of a process. Ends with one line `RESULT throughput_ratio= cpu_ms_per_call= litellm_path_ratio=`, medians of the
rounds: calls per second of the pipeline over those of bare litellm, CPU time of a call in the pipeline in all, and
calls per second through litellm over those of bare litellm.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.bare_litellm import Measured, bare_litellm
from benchmarks.parts import SimulatedSandbox, make_repository, make_tasks, preparing
from codemonkeys.engine.steps import Steps
from codemonkeys.generation.answers import marker_for
from codemonkeys.journal.store import Journal
from codemonkeys.models.base import Completion, Request
from codemonkeys.models.fake_answers import FILE, TEST
from codemonkeys.models.hosted import HostedModel, Transport
from codemonkeys.models.providers import arguments
from codemonkeys.models.retry import Patience
from codemonkeys.models.roles import ModelSet
from codemonkeys.runs.runner import run_tasks
from codemonkeys.settings import OperationSettings, Settings, load_settings
from codemonkeys.system.memory import collect_rarely
from codemonkeys.tasks.base import Task

MODEL = "openai/benchmark"


def rules(tasks: Sequence[Task]) -> list[list[str]]:
    """[regular expression, answer] pairs: the fake model's answers, with each task's marker token."""
    judged = json.dumps([{"file": n, "relevant": n == 1, "summary": "It may matter."} for n in range(1, 40)])
    found = [
        ["deciding which of its files matter", judged],
        ["seeing only the files that you choose", json.dumps([f"module_{n:03}.py" for n in range(0, 200, 7)])],
    ]
    for task in tasks:
        marker = marker_for(task.id, ())
        ours = re.escape(marker)
        test = f"<<<<<<< TEST {marker}\n{TEST.format(file=FILE)}>>>>>>> END {marker}"
        edit = f"<<<<<<< CREATE {marker} {FILE}\nWritten.\n>>>>>>> END {marker}"
        found += [
            [f"(?s)You write a test script.*{ours}.*Your script was run", f"<<<<<<< DONE {marker}"],
            [f"(?s)You write a test script.*{ours}", test],
            [f"(?s)You resolve an issue.*{ours}.*Your edit, as a diff", f"<<<<<<< DONE {marker}"],
            [f"(?s)You resolve an issue.*{ours}", edit],
        ]
    return found


@contextmanager
def endpoint(answers: Path) -> Iterator[str]:
    """The tests' endpoint in a separate process; yields its address."""
    command = [sys.executable, "-m", "tests.models.endpoint", "--answers", str(answers)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


class Recorded(HostedModel):
    """The hosted model, recording its requests."""

    def __init__(self, url: str, transport: Transport, concurrency: int, prices: Path) -> None:
        super().__init__(MODEL, url, patience=Patience(), concurrency=concurrency, registry=prices, transport=transport)
        self.sent: list[Request] = []

    async def complete(self, request: Request) -> Completion:
        self.sent.append(request)
        return await super().complete(request)


async def pipeline(
    url: str, transport: Transport, tasks: Sequence[Task], settings: Settings, repository: Path, runs: Path
) -> tuple[Measured, list[Request]]:
    """Run the tasks; returns the measurements and the requests sent."""
    model = Recorded(url, transport, settings.operation.calls, runs.parent / "prices.json")
    journal = Journal(runs, f"run-{time.monotonic_ns()}", "simulated", {})
    try:
        steps = Steps(journal, ModelSet(model, model), SimulatedSandbox(), settings.operation)
        began, cpu = time.perf_counter(), time.process_time()
        ended = await run_tasks(tasks, settings, steps, preparing(repository))
        measured = Measured(len(model.sent), time.perf_counter() - began, time.process_time() - cpu)
    finally:
        await model.close()
        journal.close()
    assert all(end.state == "predicted" for end in ended), ended
    return measured, model.sent


def main() -> None:
    """Measure alternately, so that both see the same machine load."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=4)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--endpoint", help="address of a running endpoint")
    parser.add_argument("--rules", action="store_true", help="print the rules for such an endpoint, and end")
    chosen = parser.parse_args()
    tasks = make_tasks(chosen.tasks)
    if chosen.rules:
        print(json.dumps(rules(tasks)))
        return
    operation = OperationSettings(calls=chosen.concurrency, budget=1e6)
    generation, context = {"samples": chosen.samples}, {"batch_tokens": 1}
    settings = load_settings(generation=generation, context=context).model_copy(update={"operation": operation})
    collect_rarely()
    os.environ.pop("OPENAI_API_KEY", None)
    found: dict[str, list[Measured]] = {"pipeline": [], "through litellm": [], "bare litellm": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rules.json").write_text(json.dumps(rules(tasks)))
        price = {"input_cost_per_token": 1e-6, "output_cost_per_token": 5e-6, "litellm_provider": "openai"}
        (folder / "prices.json").write_text(json.dumps({MODEL: price}))
        repository = make_repository(folder / "repository", chosen.files, 10)

        def measure(url: str) -> None:
            with bare_litellm() as send:
                for number in range(chosen.rounds + 1):
                    ours, requests = asyncio.run(pipeline(url, "auto", tasks, settings, repository, folder / "runs"))
                    through, _ = asyncio.run(pipeline(url, "litellm", tasks, settings, repository, folder / "runs"))
                    bare = send([arguments(MODEL, each, url, 600.0) for each in requests], chosen.concurrency)
                    if number:  # The first round warms all up.
                        for (what, rounds), of in zip(found.items(), (ours, through, bare), strict=True):
                            rounds.append(of)
                            print(f"{what:15} {of.calls} calls, {of.rate:6.0f} a second, {of.cpu_ms:.2f} ms CPU each")

        if chosen.endpoint:
            measure(chosen.endpoint)
        else:
            with endpoint(folder / "rules.json") as url:
                measure(url)
    ours, through, bare = found.values()
    ratio = statistics.median(a.rate / b.rate for a, b in zip(ours, bare, strict=True))
    path = statistics.median(a.rate / b.rate for a, b in zip(through, bare, strict=True))
    cpu = statistics.median(of.cpu_ms for of in ours)
    print(f"CPU of a call in all, of that in bare litellm: {cpu / statistics.median(of.cpu_ms for of in bare):.2f}")
    print(f"RESULT throughput_ratio={ratio:.3f} cpu_ms_per_call={cpu:.2f} litellm_path_ratio={path:.3f}")


if __name__ == "__main__":
    main()

"""Makespan of many concurrent tasks, compared with the lower bound and with stage barriers.

    python -m benchmarks.scheduling [--tasks 60] [--samples 10] [--files 200] [--calls 32] [--faster 25] [--seed 1]

The whole runner and pipeline, journal and budget included; only the model and executions are simulated. Every call
takes a time that is drawn log-normal, by a seed and the step's key: medians as hosted models have them (2 s for a
file's relevance, 8 s for a ranking, 20 s for an answer with a test, 25 s for one with an edit), divided by `--faster`
so that it ends in minutes. Every file is a relevance call of its own. What one processor of this machine adds to
15,000 calls is in the times: the faster the simulated models, the more it counts.

The least possible is the longer of the critical path (of the slowest task: context, its slowest conversation,
selection) and the sum of all calls over the calls that may go out at one time. Under barriers, as in the original, all
tasks finish a stage before any begins the next; otherwise it is the same system with the same calls. Printed with it:
when half of the tasks had ended. Ends with one line `RESULT makespan_ratio= barrier_ratio=`, both over the least
possible.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.parts import SimulatedSandbox, make_repository, make_tasks, preparing
from codemonkeys.context.choosing import choose_context
from codemonkeys.context.relevance import find_relevant
from codemonkeys.engine.events import Event
from codemonkeys.engine.steps import Steps
from codemonkeys.engine.work import Work
from codemonkeys.generation.editing import write_edit
from codemonkeys.generation.trajectories import attempt_test, excerpt_of
from codemonkeys.journal.store import Journal
from codemonkeys.keys import StepKey
from codemonkeys.models.base import Completion, Price, Request, Usage
from codemonkeys.models.fake_answers import answer
from codemonkeys.models.roles import ModelSet
from codemonkeys.pipeline import solve_task
from codemonkeys.runs.outcomes import State
from codemonkeys.runs.runner import Solver, run_tasks
from codemonkeys.selection.collect_evidence import collect_evidence
from codemonkeys.selection.deciding import Choice, decide
from codemonkeys.settings import Settings, load_settings
from codemonkeys.tasks.base import Task

MEDIANS = {"relevance": 2.0, "rank": 8.0, "test": 20.0, "edit": 25.0, "select": 25.0}
"""Seconds of a call."""
SPREAD = 0.6
"""Standard deviation of the logarithm."""

Times = dict[StepKey, float]
"""Seconds of every call."""


class SimulatedModel:
    """The fake model with latency."""

    name = "simulated"

    def __init__(self, seed: int, faster: float) -> None:
        self.price: Price | None = Price(1e-6, 5e-6, 1e-7, 1.25e-6)
        self.times: Times = {}
        self._seed, self._faster = seed, faster

    def count_tokens(self, text: str) -> int:
        """An estimate that costs nothing."""
        return len(text) // 4

    async def complete(self, request: Request) -> Completion:
        """Answer one request."""
        key = request.key
        drawn = random.Random(f"{self._seed} {key}").lognormvariate(0, SPREAD)
        seconds = MEDIANS[key.stage] * drawn / self._faster
        self.times[key] = seconds
        text = answer(request)
        await asyncio.sleep(seconds)
        return Completion(text, "stop", Usage(1_000, 100), self.name, seconds)

    async def close(self) -> None:
        """Nothing is open."""


def conversations(times: Times, task: str, stage: str) -> list[list[float]]:
    """The calls of a stage of a task: a list for each conversation, in order."""
    found: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for key, seconds in times.items():
        if (key.task, key.stage) == (task, stage):
            found[key.sample].append((key.turn, seconds))
    return [[seconds for _, seconds in sorted(found[sample])] for sample in sorted(found)]


def critical_path(stages: Mapping[str, list[list[float]]]) -> float:
    """Minimum seconds for a task at unlimited concurrency."""
    context = max(map(sum, stages["relevance"])) + max(map(sum, stages["rank"]), default=0.0)
    pairs = zip(stages["test"], stages["edit"], strict=True)
    return max(context + sum(test) + sum(edit) for test, edit in pairs) + sum(map(sum, stages["select"]))


def with_barriers(tasks: int) -> Solver:
    """Solver with stage barriers: all tasks finish a stage before any starts the next."""
    stages: dict[str, asyncio.Barrier] = defaultdict(lambda: asyncio.Barrier(tasks))

    async def solve_in_step(work: Work) -> Choice | None:
        samples = range(work.settings.generation.samples)
        relevant = await find_relevant(work)
        await stages["relevance"].wait()
        files = await choose_context(work, relevant)
        await stages["rank"].wait()
        excerpt = await excerpt_of(work, files)
        tests = await asyncio.gather(*(attempt_test(work, sample, excerpt) for sample in samples))
        await stages["test"].wait()
        edits = await asyncio.gather(*(write_edit(work, n, files, test) for n, test in enumerate(tests)))
        await stages["edit"].wait()
        return await decide(work, await collect_evidence(work, [edit for edit in edits if edit]))

    return solve_in_step


class Measured(NamedTuple):
    """A whole run."""

    seconds: float
    half: float
    """Seconds until half of the tasks had ended."""
    cpu: float
    times: Times


def measure(
    tasks: Sequence[Task], settings: Settings, repository: Path, runs: Path, model: SimulatedModel, solver: Solver
) -> Measured:
    """Solve all tasks."""
    journal = Journal(runs, f"run-{time.monotonic_ns()}", "simulated", {})
    moments: list[float] = []
    try:
        steps = Steps(journal, ModelSet(model, model), SimulatedSandbox(), settings.operation)
        began, cpu = time.perf_counter(), time.process_time()

        def notify(event: Event) -> None:
            if event.kind == "task" and event.stage == State.PREDICTED:
                moments.append(time.perf_counter() - began)

        steps.notify = notify
        asyncio.run(run_tasks(tasks, settings, steps, preparing(repository), solver))
        cpu = time.process_time() - cpu
    finally:
        journal.close()
    assert len(moments) == len(tasks)
    return Measured(moments[-1], moments[len(moments) // 2], cpu, model.times)


def main() -> None:
    """Run both ways, compute the lower bound, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=60)
    parser.add_argument("--samples", type=int, default=10)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--calls", type=int, default=32, help="calls in flight at one time")
    parser.add_argument("--faster", type=float, default=25.0)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    tasks = make_tasks(chosen.tasks)
    settings = load_settings(
        context={"batch_tokens": 0},
        generation={"samples": chosen.samples},
        operation={"calls": chosen.calls, "budget": 1e6},
    )
    all_at_once = settings.operation.model_copy(update={"tasks": chosen.tasks})
    with tempfile.TemporaryDirectory() as name:
        repository, runs = make_repository(Path(name, "repository"), chosen.files, 4), Path(name, "runs")
        model = partial(SimulatedModel, chosen.seed, chosen.faster)
        ours = measure(tasks, settings, repository, runs, model(), solve_task)
        settings = settings.model_copy(update={"operation": all_at_once})
        barriers = measure(tasks, settings, repository, runs, model(), with_barriers(chosen.tasks))
    assert ours.times == barriers.times
    stages = {task.id: {stage: conversations(ours.times, task.id, stage) for stage in MEDIANS} for task in tasks}
    longest = max(critical_path(of_task) for of_task in stages.values())
    shared = sum(ours.times.values()) / chosen.calls
    least = max(longest, shared)
    print(f"{len(ours.times)} calls of {len(tasks)} tasks, {chosen.calls} at one time")
    print(f"the least possible: {least:.1f} s (critical path {longest:.1f} s, calls {shared:.1f} s)")
    for what, of in (("this runner", ours), ("stage barriers", barriers)):
        print(f"{what}: {of.seconds:.1f} s, half of the tasks after {of.half:.1f} s; {of.cpu:.0f} s of CPU")
    print(f"RESULT makespan_ratio={ours.seconds / least:.3f} barrier_ratio={barriers.seconds / least:.3f}")


if __name__ == "__main__":
    main()
